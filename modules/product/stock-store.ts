import { sql } from 'drizzle-orm';
import type { Queryable, Transaction } from '#platform/database/database';
import { isoTime, jsonRows, textArray } from '#platform/database/sql';

/**
 * Locks are always taken in one order: the reservation, then stock rows by variant id, then products by id. So
 * no two transactions wait for each other.
 */

export interface TakenLine {
  readonly sku: string;
  readonly quantity: number;
  /** Null when no active product has this sku. */
  readonly productId: string | null;
  /** Pieces free before this reservation. */
  readonly available: number | null;
}

/**
 * Reserves all lines for an order, or none of them when one is short or unknown, and tells what it found. One
 * statement whatever the number of lines: stock rows are locked in id order first, and what is available is read
 * from the locked rows.
 */
export async function takeStock(
  tx: Transaction,
  orderId: string,
  lines: readonly { sku: string; quantity: number }[],
): Promise<TakenLine[]> {
  return await tx.rows<TakenLine>(sql`
    with asked as (
      select a.sku, sum(a.quantity)::bigint as quantity
      from jsonb_to_recordset(${jsonRows(lines)}) as a(sku text, quantity bigint)
      group by a.sku
    ), known as (
      select v.id, v.product_id, a.sku, a.quantity
      from asked a
      join products.variant v on v.sku = a.sku
      join products.product p on p.id = v.product_id and p.status = 'active'
    ), locked as materialized (
      select s.variant_id, k.product_id, k.sku, k.quantity, s.on_hand - s.reserved as available
      from known k join products.stock s on s.variant_id = k.id
      order by s.variant_id
      for update of s
    ), verdict as materialized (
      select (select count(*) from asked) = count(*) and bool_and(available >= quantity) as possible from locked
    ), taken as (
      update products.stock s set reserved = s.reserved + l.quantity
      from locked l, verdict where s.variant_id = l.variant_id and verdict.possible
    ), noted as (
      insert into products.reservation_line (order_id, variant_id, quantity)
      select ${orderId}::uuid, l.variant_id, l.quantity from locked l, verdict where verdict.possible
    )
    select a.sku, a.quantity, l.product_id as "productId", l.available
    from asked a left join locked l on l.sku = a.sku`);
}

/** A product of which pieces became available. */
export interface FreedProduct {
  readonly id: string;
  /** Whether one of its variants had none available before. */
  readonly back: boolean;
}

/**
 * Gives back what these orders, whose reservations the caller has just closed, had reserved. Returns the
 * products concerned.
 */
export async function freeReserved(tx: Transaction, orderIds: readonly string[]): Promise<FreedProduct[]> {
  return await tx.rows<FreedProduct>(sql`
    with freed as (
      select variant_id, sum(quantity)::bigint as quantity from products.reservation_line
      where order_id = any(${textArray(orderIds)}::uuid[])
      group by variant_id
    ), locked as materialized (
      select s.variant_id, f.quantity, s.on_hand - s.reserved as available
      from freed f join products.stock s on s.variant_id = f.variant_id
      order by s.variant_id
      for update of s
    ), given as (
      update products.stock s set reserved = s.reserved - l.quantity
      from locked l where s.variant_id = l.variant_id
    )
    select v.product_id as id, bool_or(l.available = 0) as back
    from locked l join products.variant v on v.id = l.variant_id
    group by v.product_id`);
}

/**
 * Takes an order's reserved pieces off the shelf, with a ledger entry each. What is available stays the same.
 * Returns the ids of the products concerned.
 */
export async function sellReserved(tx: Transaction, orderId: string): Promise<string[]> {
  const rows = await tx.rows<{ id: string }>(sql`
    with locked as materialized (
      select s.variant_id, l.quantity
      from products.reservation_line l join products.stock s on s.variant_id = l.variant_id
      where l.order_id = ${orderId}::uuid
      order by s.variant_id
      for update of s
    ), sold as (
      update products.stock s set on_hand = s.on_hand - l.quantity, reserved = s.reserved - l.quantity
      from locked l where s.variant_id = l.variant_id
      returning s.variant_id, l.quantity, s.on_hand
    ), noted as (
      insert into products.stock_entry (variant_id, delta, reason, order_id, on_hand)
      select variant_id, -quantity, 'sale', ${orderId}::uuid, on_hand from sold
    )
    select distinct v.product_id as id from locked l join products.variant v on v.id = l.variant_id`);
  return rows.map((row) => row.id);
}

/** Puts an order's sold pieces back on the shelf, with a ledger entry each. Returns the products concerned. */
export async function returnSold(tx: Transaction, orderId: string): Promise<FreedProduct[]> {
  return await tx.rows<FreedProduct>(sql`
    with locked as materialized (
      select s.variant_id, l.quantity, s.on_hand - s.reserved as available
      from products.reservation_line l join products.stock s on s.variant_id = l.variant_id
      where l.order_id = ${orderId}::uuid
      order by s.variant_id
      for update of s
    ), returned as (
      update products.stock s set on_hand = s.on_hand + l.quantity
      from locked l where s.variant_id = l.variant_id
      returning s.variant_id, l.quantity, s.on_hand
    ), noted as (
      insert into products.stock_entry (variant_id, delta, reason, order_id, on_hand)
      select variant_id, quantity, 'return', ${orderId}::uuid, on_hand from returned
    )
    select v.product_id as id, bool_or(l.available = 0) as back
    from locked l join products.variant v on v.id = l.variant_id
    group by v.product_id`);
}

export interface StockEntry {
  readonly position: number;
  readonly id: string;
  readonly delta: number;
  readonly reason: string;
  readonly orderId: string | null;
  readonly onHand: number;
  readonly at: string;
}

/**
 * Adds `delta` pieces unless that left fewer than are reserved: then `entry` is null. `available` is the figure
 * before.
 */
export async function adjust(
  tx: Transaction,
  variantId: string,
  delta: number,
  reason: string,
): Promise<{ available: number; entry: StockEntry | null }> {
  const rows = await tx.rows<{ available: number; entry: StockEntry | null }>(sql`
    with locked as materialized (
      select variant_id, on_hand - reserved as available from products.stock
      where variant_id = ${variantId}::uuid
      for update
    ), moved as (
      update products.stock s set on_hand = s.on_hand + ${delta}::bigint
      from locked l where s.variant_id = l.variant_id and l.available + ${delta}::bigint >= 0
      returning s.variant_id, s.on_hand
    ), noted as (
      insert into products.stock_entry (variant_id, delta, reason, on_hand)
      select variant_id, ${delta}::bigint, ${reason}, on_hand from moved
      returning *
    )
    select l.available,
      (select jsonb_build_object('position', n.position, 'id', n.id, 'delta', n.delta, 'reason', n.reason,
         'orderId', n.order_id, 'onHand', n.on_hand, 'at', ${isoTime(sql`n.at`)}) from noted n) as entry
    from locked l`);
  return rows[0]!;
}

/** A variant's ledger before `before` (all when undefined), newest first. */
export async function stockEntries(
  queryable: Queryable,
  variantId: string,
  before: number | undefined,
  limit: number,
): Promise<StockEntry[]> {
  return await queryable.rows<StockEntry>(sql`
    select position, id, delta, reason, order_id as "orderId", on_hand as "onHand", ${isoTime(sql`at`)} as at
    from products.stock_entry
    where variant_id = ${variantId}::uuid
      and position < ${before ?? Number.MAX_SAFE_INTEGER}::bigint
    order by position desc
    limit ${limit}::int`);
}

/**
 * Brings `in_stock` of these products up to date, after availability of one of their variants crossed zero. Two
 * statements: one that waited for a lock would still see the stock as it was before the wait, and two sales of
 * a product's last two variants would each believe that the other variant is left.
 */
export async function refreshInStock(tx: Transaction, productIds: readonly string[]): Promise<void> {
  if (productIds.length === 0) return;
  const ids = sql`${textArray(productIds)}::uuid[]`;
  await tx.rows(sql`
    select id from products.product where id = any(${ids}) order by id for no key update`);
  await tx.rows(sql`
    update products.product p set in_stock = now_available.yes
    from (
      select v.product_id, bool_or(s.on_hand > s.reserved) as yes
      from products.variant v join products.stock s on s.variant_id = v.id
      where v.product_id = any(${ids})
      group by v.product_id
    ) now_available
    where p.id = now_available.product_id and p.in_stock <> now_available.yes`);
}
