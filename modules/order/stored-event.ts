import { AppError } from '#platform/errors';
import type { OrderEvent } from './order.ts';

/** An event as the log holds it, written by whatever release was there. */
export interface StoredEvent {
  readonly type: string;
  readonly data: unknown;
}

/**
 * Makes today's event of a stored one, by the type it was stored as. The log is never rewritten, so an event that gets
 * another form keeps an entry here for as long as orders have it. `data` may lack `items`, which decisions do without;
 * `writeViews` reads those of `order.created` in SQL, so they stay where they are.
 */
// biome-ignore lint/suspicious/noExplicitAny: each entry knows what its own old form was.
export type Upcasts = Readonly<Record<string, (data: any) => OrderEvent>>;

/** None yet: no event has changed its form. */
const upcasts: Upcasts = {};

const known: Readonly<Record<OrderEvent['type'], true>> = {
  'order.created': true,
  'order.awaiting_payment': true,
  'order.paid': true,
  'order.rejected': true,
  'order.cancelled': true,
  'order.refunded': true,
  'order.shipped': true,
  'order.delivered': true,
};

/**
 * Reads an event of the log. Fails with `order_event_unknown` (unavailable) for a type that this release does not
 * have: a newer one wrote it, and its processes can go on with the order.
 */
export function readStored<Row extends StoredEvent>(row: Row, by: Upcasts = upcasts): Row & OrderEvent {
  const upcast = Object.hasOwn(by, row.type) ? by[row.type] : undefined;
  if (upcast) return { ...row, ...upcast(row.data) };
  // What this release writes itself, it reads as it is.
  if (Object.hasOwn(known, row.type)) return row as Row & OrderEvent;
  throw new AppError('unavailable', 'order_event_unknown', `${row.type} is of a newer release`);
}
