import { sleep } from '#platform/deadline';
import { AppError, isAppError } from '#platform/errors';
import { BUSY_PAUSE_MS, DEFAULT_WAIT_MS } from './limits.ts';
import type { OrderContext } from './order-context.ts';

/** The refusal of work on an order whose saga is under way; `whenFree` waits and tries again. */
export function orderBusy(): AppError {
  return new AppError('conflict', 'saga_open', 'another change of this order is still under way');
}

/**
 * Runs `work`, which starts a saga on the order. An order has one open saga at a time, so that a payment and a
 * cancellation cannot undo each other: if another is open, lets it end (after `urge`, if given) and runs `work`
 * again. When the other takes longer than a client waits, fails with `invalid_transition` (conflict) if it waits for
 * a provider, and else with `order_busy` (unavailable): whoever drove it has died, and it goes on in some seconds.
 * Nothing was done then.
 */
export async function whenFree<T>(
  context: OrderContext,
  orderId: string,
  work: () => Promise<T>,
  urge?: () => Promise<void>,
): Promise<T> {
  const endsAt = performance.now() + DEFAULT_WAIT_MS;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!isAppError(error, 'saga_open')) throw error;
      const leftMs = endsAt - performance.now();
      if (leftMs <= 0) {
        throw await tooLate(context, orderId, error);
      }
      await urge?.();
      const latest = await context.sagas.latest(orderId);
      if (latest) await context.sagas.settle(latest.id, leftMs);
      await sleep(BUSY_PAUSE_MS);
    }
  }
}

async function tooLate({ sagas }: OrderContext, orderId: string, cause: unknown): Promise<AppError> {
  const message = 'another change of this order is still under way';
  const latest = await sagas.latest(orderId);
  if (latest?.outcome.state === 'waiting') {
    return new AppError('conflict', 'invalid_transition', message, { cause });
  }
  return new AppError('unavailable', 'order_busy', message, { retryAfterSeconds: 1, cause });
}
