import type { Transaction } from '#platform/database/database';
import { invariant } from '#platform/errors';
import type { PaymentContext } from './context.ts';
import { driveRefund } from './drive-refund.ts';
import { paymentSettled } from './events.ts';
import { isFinal, type PaymentRow } from './payment.ts';
import { ask, type ChargeState } from './provider.ts';
import { reserveRefunds } from './refund-store.ts';
import { findPayment, isReversed, recordOutcome } from './store.ts';

export interface Settled {
  readonly payment: PaymentRow;
  /** The order was reversed: whatever the outcome is, its money goes back. */
  readonly reversed: boolean;
}

/**
 * Records what the provider said of a charge, once, and lets follow what must: money of a reversed order goes
 * back by itself, and with `tell` an outcome that the charge's caller was not told is published. Told twice, or
 * by several at once, it changes nothing. The refund of late money is begun in the same transaction and driven
 * afterwards; if that fails, the sweeper goes on with it.
 */
export async function settlePayment(
  context: PaymentContext,
  id: string,
  outcome: ChargeState,
  options: { tell: boolean },
): Promise<Settled> {
  const { settled, lateRefund } = await context.database.sharedTransaction((tx) =>
    settleIn(context, tx, id, outcome, options),
  );
  if (lateRefund) await driveOrLeave(context, lateRefund);
  return settled;
}

/** The same within the caller's transaction, who then drives `lateRefund`. */
export async function settleIn(
  context: PaymentContext,
  tx: Transaction,
  id: string,
  outcome: ChargeState,
  { tell }: { tell: boolean },
): Promise<{ settled: Settled; lateRefund: string | undefined }> {
  const [changed, reversed] = await Promise.all([
    recordOutcome(tx, id, outcome),
    // A statement of its own, which begins once the payment's row is locked: a reversal at the same moment either has
    // committed and is seen here, or waits for the row and then sees this outcome.
    isReversed(tx, id),
  ]);
  const payment = changed ?? (await findPayment(tx, id));
  invariant(payment, `payment ${id} was written before its provider was asked`);
  const settled = { payment, reversed };
  if (!changed || !isFinal(payment.status)) return { settled, lateRefund: undefined };
  if (reversed) return { settled, lateRefund: await giveBack(context, tx, payment) };
  if (tell) {
    const state = payment.status === 'captured' ? 'captured' : 'failed';
    await context.outbox.append(tx, paymentSettled, {
      stream: `payment:${id}`,
      version: payment.version,
      data: { paymentId: id, orderId: payment.orderId, state },
    });
  }
  return { settled, lateRefund: undefined };
}

async function giveBack(
  context: PaymentContext,
  tx: Transaction,
  payment: PaymentRow,
): Promise<string | undefined> {
  if (payment.status !== 'captured') return undefined;
  const id = context.newId();
  const refund = {
    id,
    paymentId: payment.id,
    amount: payment.amount,
    reason: 'captured after its order was reversed',
  };
  await reserveRefunds(tx, [{ ...refund, cause: 'late_capture' }]);
  return id;
}

/**
 * Takes back a charge of a reversed order whose outcome is open: voids it, or spends its key so that a charge
 * still on its way is refused. What turns out to be captured is refunded. Rejects when the provider can not be
 * reached; may be repeated.
 */
export async function takeBack(context: PaymentContext, id: string): Promise<void> {
  const outcome = await ask('void', (signal) => context.provider.void(id, signal));
  await settlePayment(context, id, outcome, { tell: false });
}

/** Drives a refund that the sweeper will go on with if it can not be done now. */
export async function driveOrLeave(context: PaymentContext, refundId: string): Promise<void> {
  await driveRefund(context, refundId).catch((error: unknown) => {
    context.log.warn({ err: error, refundId }, 'refund not confirmed yet, the sweeper goes on with it');
  });
}
