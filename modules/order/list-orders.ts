import { type Answer, hasRole, type Principal } from '#platform/http/route';
import type { OrderContext } from './order-context.ts';
import { orderBody } from './order-resource.ts';
import { listOrders, type OrderFilter } from './store.ts';

export interface ListOrders extends OrderFilter {
  readonly limit: number;
  readonly cursor?: string;
}

/**
 * A page of orders, newest first: staff see all, others their own, so that asking for somebody else's shows
 * nothing. Fails with `invalid_cursor` (invalid) for a cursor of another list, filter or user.
 */
export async function listVisibleOrders(
  context: OrderContext,
  principal: Principal,
  request: ListOrders,
): Promise<Answer> {
  const { database, cursors } = context;
  const { limit, cursor, ...filter } = request;
  const staff = hasRole(principal.role, 'staff');
  if (!staff && filter.userId !== undefined && filter.userId !== principal.userId) {
    return { status: 200, body: { data: [], nextCursor: null } };
  }
  const userId = staff ? filter.userId : principal.userId;
  const { status, from, to } = filter;
  const list = JSON.stringify(['orders', userId ?? null, status ?? null, from ?? null, to ?? null]);
  const after = cursor === undefined ? undefined : (cursors.open(list, cursor) as [string, string]);
  // One more than asked for tells whether there is a next page.
  const rows = await listOrders(database, { ...filter, userId }, after, limit + 1);
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  const nextCursor = rows.length > limit && last ? cursors.seal(list, [last.createdAt, last.id]) : null;
  return { status: 200, body: { data: page.map(orderBody), nextCursor } };
}
