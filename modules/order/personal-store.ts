import { sql } from 'drizzle-orm';
import type { Queryable, Transaction } from '#platform/database/database';
import { textArray } from '#platform/database/sql';

/** What must not stay: addresses, which erasure empties, and payment tokens, which live as long as their charge. */

export type Address = Readonly<Record<string, string>>;

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
 * nothing would ever erase an address given with it. Returns it as kept, null when it is not.
 */
export async function keepAddress(
  tx: Transaction,
  orderId: string,
  userId: string,
  address: Address,
): Promise<Address | null> {
  const [, rows] = await Promise.all([
    tx.rows(sql`select pg_advisory_xact_lock_shared(${erasureLock(userId)})`),
    // A statement of its own: it begins once the lock is held, so it sees an erasure that the lock waited for.
    tx.rows<{ address: Address }>(sql`
      insert into orders.order_address (order_id, user_id, address)
      select ${orderId}::uuid, ${userId}::uuid, ${JSON.stringify(address)}::text::jsonb
      where not exists (select 1 from orders.erased_user where user_id = ${userId}::uuid)
      returning address`),
  ]);
  return rows[0]?.address ?? null;
}

export async function findAddress(from: Queryable, orderId: string): Promise<Address | null> {
  const [row] = await from.rows<{ address: Address }>(sql`
    select address from orders.order_address where order_id = ${orderId}::uuid`);
  return row?.address ?? null;
}

/** Deletes every address of the user, and keeps the user from leaving new ones. */
export async function eraseAddresses(tx: Transaction, userId: string): Promise<void> {
  await tx.rows(sql`select pg_advisory_xact_lock(${erasureLock(userId)})`);
  await tx.rows(sql`
    insert into orders.erased_user (user_id) values (${userId}::uuid) on conflict (user_id) do nothing`);
  await tx.rows(sql`delete from orders.order_address where user_id = ${userId}::uuid`);
}

export async function keepToken(tx: Transaction, paymentId: string, card: CardToken): Promise<void> {
  await tx.rows(sql`
    insert into orders.payment_token (payment_id, method, token)
    values (${paymentId}::uuid, ${card.method}::text, ${card.token}::text)`);
}

/** The tokens of these payments by payment, of those that still have one. */
export async function findTokens(
  from: Queryable,
  paymentIds: readonly string[],
): Promise<ReadonlyMap<string, CardToken>> {
  const rows = await from.rows<CardToken & { paymentId: string }>(sql`
    select payment_id as "paymentId", method, token from orders.payment_token
    where payment_id = any(${textArray(paymentIds)}::uuid[])`);
  return new Map(rows.map(({ paymentId, ...card }) => [paymentId, card]));
}

export async function dropToken(tx: Transaction, paymentId: string): Promise<void> {
  await tx.rows(sql`delete from orders.payment_token where payment_id = ${paymentId}::uuid`);
}
