import { counter } from '#platform/telemetry/instruments';

export const productMetrics = {
  stockConflicts: counter({
    name: 'banyan_stock_conflicts_total',
    help: 'Reservations that were refused because too few pieces were there.',
    labels: {},
    toldBy: 'hosting',
  }),
  reservations: counter({
    name: 'banyan_reservations_total',
    help: 'Reservations that were asked for, repeats included.',
    labels: { outcome: '`reserved`, `refused`' },
    toldBy: 'hosting',
  }),
} as const;
