import type { Transaction } from '#platform/database/database';
import { AppError } from '#platform/errors';
import type { Outbox } from '#platform/events/outbox';
import { orderPaid, orderRefunded, orderShipped } from './events.ts';
import { decide, evolve, fold, type OrderCommand, type OrderEvent, type OrderState } from './order.ts';
import { appendEvents, insertOrder, lockOrder, type OrderRow } from './store.ts';

export type CreateCommand = Extract<OrderCommand, { do: 'create' }>;
export type ChangeCommand = Exclude<OrderCommand, CreateCommand>;

/** The answer to an id that names no order, or none that the caller may see. */
export function orderNotFound(): AppError {
  return new AppError('not_found', 'not_found', 'there is no such order');
}

/** Writes a new order at its first version. */
export async function createOrder(
  tx: Transaction,
  orderId: string,
  command: CreateCommand,
): Promise<OrderRow> {
  const events = decide(undefined, command);
  return await insertOrder(tx, orderId, events, fold(events), command.items);
}

/**
 * Carries a command out on a locked order: decides on its events, writes them with the read model, and publishes
 * those that other modules listen to, all in the caller's transaction. `check` refuses by throwing, before the
 * decision and on the locked state. Undefined when the command changed nothing.
 */
export async function changeOrder(
  tx: Transaction,
  outbox: Outbox,
  orderId: string,
  command: ChangeCommand,
  check?: (state: OrderState) => void,
): Promise<OrderRow | undefined> {
  const before = await lockState(tx, orderId);
  check?.(before);
  const events = decide(before, command);
  if (events.length === 0) return undefined;
  const [row] = await Promise.all([
    appendEvents(tx, orderId, events, fold(events, before)),
    publish(tx, outbox, orderId, before, events),
  ]);
  return row;
}

/** Locks an order until the transaction ends and folds its log. Fails with `not_found`. */
export async function lockState(tx: Transaction, orderId: string): Promise<OrderState> {
  const history = await lockOrder(tx, orderId);
  if (history.length === 0) throw orderNotFound();
  return fold(history);
}

async function publish(
  tx: Transaction,
  outbox: Outbox,
  orderId: string,
  before: OrderState,
  events: readonly OrderEvent[],
): Promise<void> {
  let state = before;
  for (const event of events) {
    state = evolve(state, event);
    const ref = { orderId, userId: state.userId, number: state.number };
    const place = { stream: `order:${orderId}`, version: state.version };
    if (event.type === 'order.paid') {
      await outbox.append(tx, orderPaid, { ...place, data: ref });
    } else if (event.type === 'order.shipped') {
      await outbox.append(tx, orderShipped, { ...place, data: { ...ref, ...event.data } });
    } else if (event.type === 'order.refunded') {
      await outbox.append(tx, orderRefunded, { ...place, data: { ...ref, ...event.data } });
    }
  }
}
