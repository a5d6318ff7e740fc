import { eq, sql } from 'drizzle-orm';
import type { Queryable, Transaction } from '#platform/database/database';
import { orderAddress, paymentToken } from './schema.ts';

/** What must not stay: addresses, which erasure empties, and payment tokens, which live as long as their charge. */

export interface CardToken {
  readonly method: 'card';
  readonly token: string;
}

/**
 * Taken by erasure alone and by its user's orders together: an order that is not committed yet could otherwise
 * leave an address which the erasure does not see, not having seen the erasure itself.
 */
const erasureLock = (userId: string) => sql`hashtextextended(${`orders.erasure:${userId}`}::text, 0)`;

/**
 * Keeps an order's address, unless its owner has been erased: an access token outlives its user by minutes, and
 * nothing would ever erase an address given with it.
 */
export async function keepAddress(
  tx: Transaction,
  orderId: string,
  userId: string,
  address: Readonly<Record<string, string>>,
): Promise<void> {
  await tx.rows(sql`select pg_advisory_xact_lock_shared(${erasureLock(userId)})`);
  await tx.rows(sql`
    insert into orders.order_address (order_id, user_id, address)
    select ${orderId}::uuid, ${userId}::uuid, ${JSON.stringify(address)}::text::jsonb
    where not exists (select 1 from orders.erased_user where user_id = ${userId}::uuid)`);
}

export async function findAddress(
  from: Queryable,
  orderId: string,
): Promise<Readonly<Record<string, string>> | null> {
  const [row] = await from.db
    .select({ address: orderAddress.address })
    .from(orderAddress)
    .where(eq(orderAddress.orderId, orderId));
  return row?.address ?? null;
}

/** Deletes every address of the user, and keeps the user from leaving new ones. */
export async function eraseAddresses(tx: Transaction, userId: string): Promise<void> {
  await tx.rows(sql`select pg_advisory_xact_lock(${erasureLock(userId)})`);
  await tx.rows(sql`
    insert into orders.erased_user (user_id) values (${userId}::uuid) on conflict (user_id) do nothing`);
  await tx.db.delete(orderAddress).where(eq(orderAddress.userId, userId));
}

export async function keepToken(tx: Transaction, paymentId: string, card: CardToken): Promise<void> {
  await tx.db.insert(paymentToken).values({ paymentId, ...card });
}

export async function findToken(from: Queryable, paymentId: string): Promise<CardToken | undefined> {
  const [row] = await from.db
    .select({ method: paymentToken.method, token: paymentToken.token })
    .from(paymentToken)
    .where(eq(paymentToken.paymentId, paymentId));
  return row;
}

export async function dropToken(tx: Transaction, paymentId: string): Promise<void> {
  await tx.db.delete(paymentToken).where(eq(paymentToken.paymentId, paymentId));
}
