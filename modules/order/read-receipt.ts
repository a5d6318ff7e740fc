import { AppError } from '#platform/errors';
import type { Implementation } from '#platform/rpc/contract';
import type { orderContract } from './contract.ts';
import type { OrderContext } from './order-context.ts';
import { orderBody } from './order-resource.ts';
import { findOrder } from './store.ts';

/** The contract's `receipt`. */
export function createReadReceipt({
  database,
}: OrderContext): Implementation<typeof orderContract>['receipt'] {
  return async ({ orderId }) => {
    const row = await findOrder(database, orderId);
    if (!row) throw new AppError('not_found', 'order_not_found', 'there is no such order');
    const { number, userId, items, total } = orderBody(row);
    return { number, userId, items, total };
  };
}
