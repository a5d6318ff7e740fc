import type { Implementation } from '#platform/rpc/contract';
import type { orderContract } from './contract.ts';
import type { OrderContext } from './order-context.ts';
import { findOrders } from './store.ts';

/** The contract's `receipts`. */
export function createReadReceipts({
  database,
}: OrderContext): Implementation<typeof orderContract>['receipts'] {
  return async ({ orderIds }) => {
    const rows = await findOrders(database, orderIds);
    const receipts = rows.map(({ id, number, userId, items, total, currency }) => ({
      orderId: id,
      number,
      userId,
      items: [...items],
      total: { amount: total, currency },
    }));
    return { receipts };
  };
}
