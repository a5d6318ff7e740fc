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
 * again. Fails with `invalid_transition` (conflict) when the other takes longer than a client waits.
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
        const message = 'another change of this order is still under way';
        throw new AppError('conflict', 'invalid_transition', message, { cause: error });
      }
      await urge?.();
      const latest = await context.sagas.latest(orderId);
      if (latest) await context.sagas.settle(latest.id, leftMs);
      await sleep(BUSY_PAUSE_MS);
    }
  }
}
