import { sql } from 'drizzle-orm';
import type { Transaction } from '#platform/database/database';
import { listRows } from '#platform/database/sql';

export type ReservationState = 'open' | 'sold' | 'released' | 'returned' | 'expired';

export interface NewReservation {
  readonly orderId: string;
  readonly pinned: boolean;
  readonly expiresInMs: number;
}

/** Writes the reservations of orders that have none; returns the ids of those orders, in small letters. */
export async function openReservations(
  tx: Transaction,
  reservations: readonly NewReservation[],
): Promise<Set<string>> {
  const rows = await tx.rows<{ id: string }>(sql`
    insert into products.reservation (order_id, state, pinned, expires_at)
    select n.order_id, 'open', n.pinned, now() + n.expires_in_ms * interval '1 millisecond'
    from ${listRows(
      ['uuid', reservations.map((reservation) => reservation.orderId)],
      ['boolean', reservations.map((reservation) => reservation.pinned)],
      ['bigint', reservations.map((reservation) => reservation.expiresInMs)],
    )} as n(order_id, pinned, expires_in_ms)
    order by n.order_id
    on conflict (order_id) do nothing
    returning order_id as id`);
  return new Set(rows.map((row) => row.id));
}

/** The states of these orders' reservations, by order id in small letters. */
export async function reservationStates(
  tx: Transaction,
  orderIds: readonly string[],
): Promise<Map<string, ReservationState>> {
  const rows = await tx.rows<{ id: string; state: ReservationState }>(sql`
    select r.order_id as id, r.state
    from ${listRows(['uuid', orderIds])} as n(order_id)
    join products.reservation r on r.order_id = n.order_id`);
  return new Map(rows.map((row) => [row.id, row.state]));
}

/** Removes reservations that this transaction has opened, as if they had never been. */
export async function dropReservations(tx: Transaction, orderIds: readonly string[]): Promise<void> {
  await tx.rows(sql`
    delete from products.reservation r using ${listRows(['uuid', orderIds])} as n(order_id)
    where r.order_id = n.order_id`);
}

/** Writes the mark that an order's stock was released before anything was reserved, or finds what there is. */
export async function markReleased(
  tx: Transaction,
  orderId: string,
): Promise<{ existing: ReservationState | undefined }> {
  const inserted = await tx.rows(sql`
    insert into products.reservation (order_id, state, expires_at) values (${orderId}::uuid, 'released', now())
    on conflict (order_id) do nothing
    returning order_id`);
  return { existing: inserted.length > 0 ? undefined : await lockReservation(tx, orderId) };
}

/** The state of an order's reservation, locked; undefined when there is none. */
export async function lockReservation(
  tx: Transaction,
  orderId: string,
): Promise<ReservationState | undefined> {
  const rows = await tx.rows<{ state: ReservationState }>(sql`
    select state from products.reservation where order_id = ${orderId}::uuid for update`);
  return rows[0]?.state;
}

export async function setReservationState(
  tx: Transaction,
  orderId: string,
  state: ReservationState,
): Promise<void> {
  await tx.rows(sql`update products.reservation set state = ${state} where order_id = ${orderId}::uuid`);
}

/** Pins an open reservation in the name of `by`, so that it does not expire. */
export async function pin(tx: Transaction, orderId: string, by: string): Promise<void> {
  await tx.rows(sql`
    update products.reservation set pinned = true, pinned_by = ${by}::uuid
    where order_id = ${orderId}::uuid and state = 'open'`);
}

/** Lets an open reservation that `by` was the last to pin expire `expiresInMs` from now. */
export async function unpin(
  tx: Transaction,
  orderId: string,
  by: string,
  expiresInMs: number,
): Promise<void> {
  await tx.rows(sql`
    update products.reservation
    set pinned = false, expires_at = now() + ${expiresInMs}::bigint * interval '1 millisecond'
    where order_id = ${orderId}::uuid and state = 'open' and pinned_by = ${by}::uuid`);
}

/** Closes up to `limit` reservations that are past their time, those that nobody else is working on. */
export async function closeExpired(tx: Transaction, limit: number): Promise<string[]> {
  const rows = await tx.rows<{ id: string }>(sql`
    with due as (
      select order_id from products.reservation
      where state = 'open' and not pinned and expires_at <= now()
      order by expires_at
      limit ${limit}::int
      for update skip locked
    )
    update products.reservation r set state = 'expired'
    from due where r.order_id = due.order_id
    returning r.order_id as id`);
  return rows.map((row) => row.id);
}
