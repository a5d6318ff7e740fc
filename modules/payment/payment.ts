import { AppError } from '#platform/errors';
import { money } from '#platform/money';
import type { Payment } from './contract.ts';
import type { ChargeState } from './provider.ts';

/** `pending` is a charge without an outcome yet: nothing outside this module knows it. */
export type PaymentStatus = 'pending' | 'authorized' | 'captured' | 'failed' | 'voided';

/** A payment as it is kept. What was given back is told by the figures, not by the status. */
export interface PaymentRow {
  readonly id: string;
  readonly orderId: string;
  readonly userId: string;
  readonly provider: string;
  /** Minor units, like the two below. */
  readonly amount: number;
  readonly currency: string;
  readonly status: PaymentStatus;
  /** The provider's reason for a refusal. */
  readonly reason: string | null;
  /** Refunds begun; those the provider has confirmed are `refunded`. */
  readonly refundReserved: number;
  readonly refunded: number;
  readonly version: number;
  readonly createdAt: string;
}

type RefundCause = 'requested' | 'reversal' | 'late_capture';

export interface RefundRow {
  readonly id: string;
  readonly paymentId: string;
  readonly amount: number;
  readonly currency: string;
  readonly cause: RefundCause;
  readonly reason: string;
  /** The provider has confirmed it. */
  readonly done: boolean;
  readonly createdAt: string;
}

/** What the provider's word makes of a payment. */
export function statusOf(outcome: ChargeState): Exclude<PaymentStatus, 'pending'> {
  return outcome.state === 'declined' ? 'failed' : outcome.state;
}

/** Whether nothing but refunds can happen to the payment any more. */
export function isFinal(status: PaymentStatus): boolean {
  return status !== 'pending' && status !== 'authorized';
}

/** The payment as clients see it; undefined while it has no outcome. */
export function presentPayment(row: PaymentRow): Payment | undefined {
  if (row.status === 'pending') return undefined;
  const { id, orderId, provider, currency, createdAt } = row;
  return {
    id,
    orderId,
    status: row.status === 'captured' ? capturedStatus(row) : row.status,
    amount: money(row.amount, currency),
    refunded: money(row.refunded, currency),
    provider,
    createdAt,
  };
}

function capturedStatus({ amount, refunded }: PaymentRow): Payment['status'] {
  if (refunded === 0) return 'captured';
  return refunded < amount ? 'partially_refunded' : 'refunded';
}

/** Why this payment can not give back that much now; undefined when it can. */
export function refundRefusal(
  row: PaymentRow,
  asked: { amount: number; currency: string },
): AppError | undefined {
  if (asked.currency !== row.currency) {
    return new AppError('unprocessable', 'currency_mismatch', `the payment is in ${row.currency}`);
  }
  if (row.status !== 'captured') {
    return new AppError(
      'conflict',
      'invalid_transition',
      `a payment that is ${row.status} can not be refunded`,
    );
  }
  const left = row.amount - row.refundReserved;
  if (asked.amount > left) {
    return new AppError(
      'conflict',
      'refund_exceeds_capture',
      `only ${left} ${row.currency} are left to refund`,
      {
        extra: { left: money(left, row.currency) },
      },
    );
  }
  return undefined;
}
