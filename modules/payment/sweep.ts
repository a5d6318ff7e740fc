import { enter } from '#platform/telemetry/trace';
import type { PaymentContext } from './context.ts';
import { driveRefund } from './drive-refund.ts';
import { SWEEP_BATCH, SWEEP_CONCURRENCY } from './limits.ts';
import { ask } from './provider.ts';
import { claimOpenRefunds } from './refund-store.ts';
import { settlePayment, takeBack } from './settle-payment.ts';
import { claimOpenPayments } from './store.ts';

/**
 * One look at what is due: charges whose outcome is open are asked for, and refunds that are not confirmed are
 * asked again. Taking a row puts its next look off, so sweepers in several processes share the work, and what
 * fails is tried again later and later.
 */
export async function sweepPayments(context: PaymentContext): Promise<void> {
  const payments = await claimOpenPayments(context.database, SWEEP_BATCH);
  const refunds = await claimOpenRefunds(context.database, SWEEP_BATCH);
  const work = [
    ...payments.map(
      (payment) => () => begin('settle payment', payment.id, () => settleOpen(context, payment)),
    ),
    ...refunds.map((id) => () => begin('drive refund', id, () => driveRefund(context, id))),
  ];
  let next = 0;
  const lanes = Array.from({ length: SWEEP_CONCURRENCY }, async () => {
    for (let one = work[next++]; one; one = work[next++]) {
      await one().catch((error: unknown) => {
        context.log.warn({ err: error }, 'payment provider could not be asked, will be tried again');
      });
    }
  });
  await Promise.all(lanes);
}

/** What is due was begun long ago, so each piece of it is a trace of its own. */
function begin(name: string, id: string, work: () => Promise<unknown>): Promise<unknown> {
  return enter(name, { parent: undefined }, { requestId: `sweep-${id}` }, work);
}

async function settleOpen(
  context: PaymentContext,
  { id, abandoned, reversed }: { id: string; abandoned: boolean; reversed: boolean },
): Promise<void> {
  if (reversed) return await takeBack(context, id);
  const known = await ask('find', (signal) => context.provider.find(id, signal));
  // Never charged, and its caller has long given up: the key is spent, so that nothing can be taken by it later.
  const outcome =
    known ?? (abandoned ? await ask('void', (signal) => context.provider.void(id, signal)) : undefined);
  if (outcome) await settlePayment(context, id, outcome, { tell: true });
}
