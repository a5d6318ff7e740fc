import { AppError } from '#platform/errors';
import type { PaymentContext } from './context.ts';
import { driveOrLeave, settleIn } from './settle-payment.ts';
import { databaseNow, findPayment, insertWebhookEvent } from './store.ts';

/**
 * Takes in what a provider tells. Fails with `not_found` for a provider this shop does not use, and with
 * `invalid_signature` (invalid). An event that was taken in before changes nothing, and neither does one about a
 * payment that is not ours, which would otherwise be sent again and again.
 */
export async function receiveWebhook(
  context: PaymentContext,
  secret: () => Promise<string>,
  request: { provider: string; bytes: Uint8Array; headers: Headers },
): Promise<void> {
  const { database, provider, log } = context;
  if (request.provider !== provider.name) {
    throw new AppError('not_found', 'not_found', 'this shop has no such payment provider');
  }
  const now = await databaseNow(database);
  const event = provider.verifyWebhook(request.bytes, request.headers, await secret(), now);
  if (!event) return;
  const lateRefund = await database.transaction(async (tx) => {
    if (!(await insertWebhookEvent(tx, provider.name, event.id))) return undefined;
    if (!(await findPayment(tx, event.key))) {
      log.warn({ eventId: event.id }, 'webhook about a charge that is not ours');
      return undefined;
    }
    return (await settleIn(context, tx, event.key, event.outcome, { tell: true })).lateRefund;
  });
  // After the commit, and of no interest to the provider whether it works at once.
  if (lateRefund) await driveOrLeave(context, lateRefund);
}
