import { sql } from 'drizzle-orm';
import type { Queryable, Transaction } from '#platform/database/database';
import { isoTime, jsonRows, textArray } from '#platform/database/sql';
import type { Money } from '#platform/money';

export interface PriceRow extends Money {
  readonly variantId: string;
}

/**
 * Sets prices and writes those that differ into the history. Returns the variants whose price changed. The
 * caller holds the products' locks, and follows with `refreshLowestPrices`.
 */
export async function upsertPrices(tx: Transaction, prices: readonly PriceRow[]): Promise<Set<string>> {
  if (prices.length === 0) return new Set();
  const rows = await tx.rows<{ id: string }>(sql`
    with changed as (
      insert into products.price as p (variant_id, currency, amount)
      select n."variantId", n.currency, n.amount
      from jsonb_to_recordset(${jsonRows(prices)}) as n("variantId" uuid, currency text, amount bigint)
      on conflict (variant_id, currency) do update set amount = excluded.amount
        where p.amount <> excluded.amount
      returning variant_id, currency, amount
    ), remembered as (
      insert into products.price_history (variant_id, currency, amount)
      select variant_id, currency, amount from changed
    )
    select distinct variant_id as id from changed`);
  return new Set(rows.map((row) => row.id));
}

/** Brings the lowest prices of these products, which the caller has locked, up to date. */
export async function refreshLowestPrices(tx: Transaction, productIds: readonly string[]): Promise<void> {
  if (productIds.length === 0) return;
  await tx.rows(sql`
    insert into products.lowest_price as l (product_id, currency, amount)
    select v.product_id, p.currency, min(p.amount)
    from products.variant v join products.price p on p.variant_id = v.id
    where v.product_id = any(${textArray(productIds)}::uuid[])
    group by v.product_id, p.currency
    on conflict (product_id, currency) do update set amount = excluded.amount
      where l.amount <> excluded.amount`);
}

export interface PriceEntry extends Money {
  readonly position: number;
  readonly at: string;
}

/** A variant's prices before `before` (all when undefined), newest first. */
export async function priceHistory(
  queryable: Queryable,
  variantId: string,
  before: number | undefined,
  limit: number,
): Promise<PriceEntry[]> {
  return await queryable.rows<PriceEntry>(sql`
    select position, amount, currency, ${isoTime(sql`at`)} as at
    from products.price_history
    where variant_id = ${variantId}::uuid
      and position < ${before ?? Number.MAX_SAFE_INTEGER}::bigint
    order by position desc
    limit ${limit}::int`);
}
