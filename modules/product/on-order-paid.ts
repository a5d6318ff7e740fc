import type { orderPaid } from '#modules/order/events';
import type { DataOf } from '#platform/events/event';
import type { EventHandler } from '#platform/events/inbox';
import type { ProductsChanged } from './product-cache.ts';
import { sellReserved } from './stock-store.ts';

/**
 * The handler that turns a paid order's reservation into a sale. An order that was cancelled meanwhile has its reservation
 * released already, and nothing is sold.
 */
export function createOnOrderPaid(changed: ProductsChanged): EventHandler<DataOf<typeof orderPaid>> {
  return async (event, once) => {
    const { orderId } = event.data;
    await once(async (tx) => changed(tx, await sellReserved(tx, [orderId])));
  };
}
