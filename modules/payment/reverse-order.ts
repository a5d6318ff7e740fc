import { invariant } from '#platform/errors';
import { type Money, money, sum } from '#platform/money';
import type { PaymentContext } from './context.ts';
import { isFinal } from './payment.ts';
import { listOpenRefunds, reserveRefunds } from './refund-store.ts';
import { driveOrLeave, takeBack } from './settle-payment.ts';
import {
  findReversal,
  insertReversal,
  isUnsettled,
  listPayments,
  lockPayments,
  setReversalRefund,
} from './store.ts';

export interface ReversalAnswer {
  readonly refunded: Money | null;
  readonly pending: boolean;
}

/**
 * The contract's `reverse`. First one transaction marks the order, which refuses or takes back every later
 * charge, and begins the refunds of what is captured; then the provider is asked, refund by refund and void by
 * void. Each has a key of its own from that transaction, so a repeat after a crash, or beside the sweeper, goes on
 * where it stopped and gives nothing back twice.
 */
export async function reverseOrder(context: PaymentContext, orderId: string): Promise<ReversalAnswer> {
  const { database, log } = context;
  await markReversed(context, orderId);
  const payments = await listPayments(database, [orderId]);
  const open = payments.filter((payment) => !isFinal(payment.status));
  const refunds = await listOpenRefunds(database, orderId);
  await Promise.all([
    ...refunds.map((id) => driveOrLeave(context, id)),
    ...open.map(({ id }) =>
      takeBack(context, id).catch((error: unknown) => {
        log.warn({ err: error, paymentId: id }, 'charge not taken back yet, the sweeper goes on with it');
      }),
    ),
  ]);
  const reversal = await findReversal(database, orderId);
  invariant(reversal, `order ${orderId} is marked as reversed`);
  const { refunded, currency } = reversal;
  return {
    refunded: currency === null ? null : money(refunded, currency),
    pending: await isUnsettled(database, orderId),
  };
}

/** Marks the order and begins the refunds of all that is captured and left; nothing when it is marked already. */
async function markReversed(context: PaymentContext, orderId: string): Promise<void> {
  await context.database.transaction(async (tx) => {
    if (!(await insertReversal(tx, orderId))) return;
    const captured = (await lockPayments(tx, orderId))
      .filter((payment) => payment.status === 'captured')
      .map((payment) => ({ ...payment, left: payment.amount - payment.refundReserved }))
      .filter(({ left }) => left > 0);
    const [first] = captured;
    if (!first) return;
    const parts = captured.map(({ left, currency }) => money(left, currency));
    await setReversalRefund(tx, orderId, sum(parts, first.currency));
    await reserveRefunds(
      tx,
      captured.map(({ id, left }) => ({
        id: context.newId(),
        paymentId: id,
        amount: left,
        cause: 'reversal' as const,
        reason: 'order reversed',
      })),
    );
  });
}
