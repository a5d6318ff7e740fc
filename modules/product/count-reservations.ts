import type { Registry } from 'prom-client';
import { isAppError } from '#platform/errors';
import { counterOf } from '#platform/telemetry/instruments';
import { productMetrics } from './metrics.ts';

/** Counts the reservations that `reserve` makes, and those that it refuses. An outage is neither. */
export function createReservationCounter(
  registry: Registry,
): (reserve: () => Promise<void>) => Promise<void> {
  const reservations = counterOf(registry, productMetrics.reservations);
  const conflicts = counterOf(registry, productMetrics.stockConflicts);
  for (const outcome of ['reserved', 'refused']) reservations.inc({ outcome }, 0);
  return async (reserve) => {
    try {
      await reserve();
      reservations.inc({ outcome: 'reserved' });
    } catch (error) {
      if (isAppError(error) && error.kind !== 'unavailable') reservations.inc({ outcome: 'refused' });
      if (isAppError(error, 'insufficient_stock')) conflicts.inc();
      throw error;
    }
  };
}
