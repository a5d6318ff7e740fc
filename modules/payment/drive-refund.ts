import type { Transaction } from '#platform/database/database';
import { invariant } from '#platform/errors';
import { money } from '#platform/money';
import type { PaymentContext } from './context.ts';
import { lateCaptureRefunded } from './events.ts';
import type { RefundRow } from './payment.ts';
import { ask } from './provider.ts';
import { completeRefund, findRefund } from './refund-store.ts';

/**
 * Has the provider give the money of a refund back, and records it; of late money it tells. The refund's id is
 * the provider's key, so that after a crash in between, or by several at once, it is given back once. `also`
 * runs in the transaction that records it. Rejects when the provider can not be reached; may be repeated.
 */
export async function driveRefund(
  context: PaymentContext,
  id: string,
  also?: (tx: Transaction, refund: RefundRow) => Promise<void>,
): Promise<RefundRow> {
  const { database, provider, outbox } = context;
  const refund = await findRefund(database, id);
  invariant(refund, `refund ${id} was written before it is driven`);
  const { paymentId, amount, currency } = refund;
  if (!refund.done) {
    await ask('refund', (signal) => provider.refund({ key: id, chargeKey: paymentId, amount }, signal));
  }
  await database.transaction(async (tx) => {
    const completed = await completeRefund(tx, id);
    if (completed && refund.cause === 'late_capture') {
      await outbox.append(tx, lateCaptureRefunded, {
        stream: `payment:${paymentId}`,
        version: completed.version,
        data: { paymentId, orderId: completed.orderId, amount: money(amount, currency) },
      });
    }
    await also?.(tx, refund);
  });
  return refund;
}
