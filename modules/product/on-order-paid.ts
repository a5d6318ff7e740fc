import type { orderPaid } from '#modules/order/events';
import type { DataOf } from '#platform/events/event';
import type { EventsHandler } from '#platform/events/inbox';
import type { ProductsChanged } from './product-cache.ts';
import { sellReserved } from './stock-store.ts';

/**
 * The handler that turns the reservations of paid orders into sales. An order that was cancelled meanwhile has its
 * reservation released already, and nothing is sold.
 */
export function createOnOrderPaid(changed: ProductsChanged): EventsHandler<DataOf<typeof orderPaid>> {
  return async (_events, once) => {
    await once(async (tx, paid) => {
      const orderIds = paid.map((event) => event.data.orderId);
      const sold = sellReserved(tx, orderIds);
      // Not waited for, so that it goes along with the commit; what was sold is known by then.
      tx.onCommit(() => void sold.then((productIds) => changed({ onCommit: (hook) => hook() }, productIds)));
      sold.catch(() => undefined);
    });
  };
}
