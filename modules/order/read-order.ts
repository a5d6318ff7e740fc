import type { Payment } from '#modules/payment/contract';
import type { Product } from '#modules/product/contract';
import type { User } from '#modules/user/contract';
import { type Answer, hasRole, type Principal } from '#platform/http/route';
import { orderNotFound } from './change-order.ts';
import type { OrderContext } from './order-context.ts';
import { orderBody } from './order-resource.ts';
import { type AddressedOrderRow, findOrder, readEvents } from './store.ts';

export const expansions = ['user', 'items.product', 'payment'] as const;

export type Expansion = (typeof expansions)[number];

/** One order, with what was asked for of the modules it leans on. Fails with `not_found` for other users' orders. */
export async function readOrder(
  context: OrderContext,
  principal: Principal,
  orderId: string,
  expand: ReadonlySet<Expansion>,
): Promise<Answer> {
  const row = await findVisible(context, principal, orderId);
  const body = orderBody(row);
  // Each module is asked once, whatever the number of lines, and all at the same time.
  const [user, products, payment] = await Promise.all([
    expand.has('user') ? userOf(context, row) : undefined,
    expand.has('items.product') ? productsOf(context, row) : undefined,
    expand.has('payment') ? paymentOf(context, row) : undefined,
  ]);
  const expanded = {
    ...body,
    ...(products && {
      items: body.items.map((item) => ({ ...item, product: products.get(item.sku) ?? null })),
    }),
    ...(user !== undefined && { user }),
    ...(payment !== undefined && { payment }),
  };
  return { status: 200, body: expanded, version: row.version };
}

/** An order's history. Fails with `not_found` for other users' orders. */
export async function readHistory(
  context: OrderContext,
  principal: Principal,
  orderId: string,
): Promise<Answer> {
  await findVisible(context, principal, orderId);
  return { status: 200, body: await readEvents(context.database, orderId) };
}

async function findVisible(
  context: OrderContext,
  principal: Principal,
  orderId: string,
): Promise<AddressedOrderRow> {
  const row = await findOrder(context.database, orderId);
  const visible = row && (row.userId === principal.userId || hasRole(principal.role, 'staff'));
  if (!visible) throw orderNotFound();
  return row;
}

/** Null when the owner has been erased. */
async function userOf({ needs }: OrderContext, order: AddressedOrderRow): Promise<User | null> {
  const { users } = await needs.user.profiles({ ids: [order.userId] });
  return users[0] ?? null;
}

async function productsOf(
  { needs }: OrderContext,
  order: AddressedOrderRow,
): Promise<ReadonlyMap<string, Product>> {
  const { products } = await needs.product.productsBySku({ skus: order.items.map((item) => item.sku) });
  return new Map(
    products.flatMap((product) => product.variants.map((variant) => [variant.sku, product] as const)),
  );
}

/** The newest payment, or null when none was tried. */
async function paymentOf({ needs }: OrderContext, order: AddressedOrderRow): Promise<Payment | null> {
  const { payments } = await needs.payment.payments({ orderIds: [order.id] });
  return payments.at(-1) ?? null;
}
