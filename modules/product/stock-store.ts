import { sql } from 'drizzle-orm';
import type { Queryable, Transaction } from '#platform/database/database';
import { isoTime, listRows } from '#platform/database/sql';

/**
 * Locks are always taken in one order: reservations by order id, then stock rows by variant id, then products by id.
 * So no two transactions wait for each other.
 */

/** The product of the variant of a row `l`, looked up by its key. */
const productOf = sql`(select v.product_id from products.variant v where v.id = l.variant_id)`;

/** The stock of an active product's variant. */
export interface Shelf {
  readonly sku: string;
  readonly variantId: string;
  readonly productId: string;
  /** Pieces that nobody has reserved. */
  readonly available: number;
}

/** Locks the stock of these skus and tells what is available; skus without an active product are left out. */
export async function lockShelves(tx: Transaction, skus: readonly string[]): Promise<Shelf[]> {
  return await tx.rows<Shelf>(sql`
    select v.sku, v.id as "variantId", v.product_id as "productId", s.on_hand - s.reserved as available
    from ${listRows(['text', skus])} as n(sku)
    join products.variant v on v.sku = n.sku
    join products.product p on p.id = v.product_id and p.status = 'active'
    join products.stock s on s.variant_id = v.id
    order by s.variant_id
    for update of s`);
}

/** Pieces of one variant for one order. */
export interface TakenLine {
  readonly orderId: string;
  readonly variantId: string;
  readonly quantity: number;
}

/** Reserves these lines, which the caller has found to be available on shelves that it has locked. */
export async function takeStock(tx: Transaction, lines: readonly TakenLine[]): Promise<void> {
  const sums = new Map<string, number>();
  for (const { variantId, quantity } of lines) sums.set(variantId, (sums.get(variantId) ?? 0) + quantity);
  await tx.rows(sql`
    with taken as (
      update products.stock s set reserved = s.reserved + n.quantity
      from ${listRows(['uuid', [...sums.keys()]], ['bigint', [...sums.values()]])} as n(variant_id, quantity)
      where s.variant_id = n.variant_id
    )
    insert into products.reservation_line (order_id, variant_id, quantity)
    select order_id, variant_id, quantity
    from ${listRows(
      ['uuid', lines.map((line) => line.orderId)],
      ['uuid', lines.map((line) => line.variantId)],
      ['bigint', lines.map((line) => line.quantity)],
    )} as n(order_id, variant_id, quantity)`);
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
      select l.variant_id, sum(l.quantity)::bigint as quantity
      from ${listRows(['uuid', orderIds])} as n(order_id)
      join products.reservation_line l on l.order_id = n.order_id
      group by l.variant_id
    ), locked as materialized (
      select s.variant_id, f.quantity, s.on_hand - s.reserved as available
      from freed f join products.stock s on s.variant_id = f.variant_id
      order by s.variant_id
      for update of s
    ), given as (
      update products.stock s set reserved = s.reserved - l.quantity
      from locked l where s.variant_id = l.variant_id
    )
    select ${productOf} as id, bool_or(l.available = 0) as back from locked l group by 1`);
}

/**
 * Turns the reservations of these orders that are open into sales: their pieces leave the shelf, with a ledger
 * entry for each order and variant. What is available stays the same. A variant's entries stand in the order of
 * the orders' ids, each with the pieces on hand after it. Returns the ids of the products concerned.
 */
export async function sellReserved(tx: Transaction, orderIds: readonly string[]): Promise<string[]> {
  const rows = await tx.rows<{ id: string }>(sql`
    with open as materialized (
      select r.order_id
      from ${listRows(['uuid', orderIds])} as n(order_id)
      join products.reservation r on r.order_id = n.order_id and r.state = 'open'
      order by r.order_id
      for update of r
    ), closed as (
      update products.reservation r set state = 'sold'
      from open o where r.order_id = o.order_id
      returning r.order_id
    ), line as (
      select l.order_id, l.variant_id, l.quantity
      from closed c join products.reservation_line l on l.order_id = c.order_id
    ), locked as materialized (
      select s.variant_id, s.on_hand, t.quantity
      from (select variant_id, sum(quantity)::bigint as quantity from line group by variant_id) t
      join products.stock s on s.variant_id = t.variant_id
      order by s.variant_id
      for update of s
    ), sold as (
      update products.stock s set on_hand = s.on_hand - l.quantity, reserved = s.reserved - l.quantity
      from locked l where s.variant_id = l.variant_id
    ), noted as (
      insert into products.stock_entry (variant_id, delta, reason, order_id, on_hand)
      select n.variant_id, -n.quantity, 'sale', n.order_id,
        l.on_hand - sum(n.quantity) over (partition by n.variant_id order by n.order_id)
      from line n join locked l on l.variant_id = n.variant_id
      order by n.variant_id, n.order_id
    )
    select distinct ${productOf} as id from locked l`);
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
    select ${productOf} as id, bool_or(l.available = 0) as back from locked l group by 1`);
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
  const products = sql`${listRows(['uuid', productIds])} as n(id)`;
  await tx.rows(sql`
    select p.id from ${products} join products.product p on p.id = n.id order by p.id for no key update of p`);
  await tx.rows(sql`
    update products.product p set in_stock = now_available.yes
    from (
      select n.id, bool_or(s.on_hand > s.reserved) as yes
      from ${products}
      join products.variant v on v.product_id = n.id
      join products.stock s on s.variant_id = v.id
      group by n.id
    ) now_available
    where p.id = now_available.id and p.in_stock <> now_available.yes`);
}
