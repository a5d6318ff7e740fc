import type { Transaction } from '#platform/database/database';
import type { Money } from '#platform/money';
import type { SagaReason } from '#platform/saga/saga';
import { changeOrder } from './change-order.ts';
import { CANCELLED } from './charge-step.ts';
import type { CancelledBy } from './order.ts';
import type { OrderContext } from './order-context.ts';

/** The reason of a saga that a person's cancellation turned back. */
export interface CancelReason extends SagaReason {
  readonly code: typeof CANCELLED;
  readonly reason: string;
  readonly by: CancelledBy;
}

/**
 * In the transaction that turns a saga back: a person's cancellation is a decision and is written at once, so
 * that its answer can tell it. What the shop itself gives up on is written when all is undone.
 */
export async function cancelOnTurn(
  context: OrderContext,
  tx: Transaction,
  orderId: string,
  reason: SagaReason,
): Promise<void> {
  if (reason.code !== CANCELLED) return;
  const { reason: why, by } = reason as CancelReason;
  await changeOrder(tx, context.outbox, orderId, { do: 'cancel', reason: why, by });
}

/** Records money that the undoing gave back. Safe to call in an ending transaction only: it happens once. */
export async function recordRefund(
  context: OrderContext,
  tx: Transaction,
  orderId: string,
  refunded: Money | null | undefined,
): Promise<void> {
  if (!refunded || refunded.amount === 0) return;
  await changeOrder(tx, context.outbox, orderId, { do: 'refund', amount: refunded });
}
