import { type SQL, sql } from 'drizzle-orm';
import type { Queryable } from '#platform/database/database';
import { isoTime, textArray } from '#platform/database/sql';
import { type ProductColumns, productColumns, type StoredProduct, storedProduct } from './catalogue-store.ts';

export interface ProductFilter {
  readonly q?: string | undefined;
  readonly category?: string | undefined;
  readonly sku?: readonly string[] | undefined;
  readonly ids?: readonly string[] | undefined;
  readonly currency?: string | undefined;
  readonly minPrice?: number | undefined;
  readonly maxPrice?: number | undefined;
  readonly inStock?: boolean | undefined;
}

export type ProductSort = 'createdAt' | '-createdAt' | 'name' | '-name' | 'price' | '-price';

/** Where a page begins: the sort key and id of the last product shown. */
export interface Position {
  readonly key: string | number;
  readonly id: string;
}

/** A sort's columns, each pair with an index in its order, and how a key travels. */
interface Order {
  readonly column: SQL;
  readonly id: SQL;
  readonly selected: SQL;
  readonly type: SQL;
}

const orders: Readonly<Record<'createdAt' | 'name' | 'price', Order>> = {
  createdAt: {
    column: sql`p.created_at`,
    id: sql`p.id`,
    selected: isoTime(sql`p.created_at`),
    type: sql`timestamptz`,
  },
  name: { column: sql`p.name`, id: sql`p.id`, selected: sql`p.name`, type: sql`text` },
  price: { column: sql`l.amount`, id: sql`l.product_id`, selected: sql`l.amount`, type: sql`bigint` },
};

/**
 * The statement that finds one page of active products, with `columns` of each and its sort key. It compares whole rows `(key, id)` with the last one
 * shown, so an index scan starts right behind it however deep the page is.
 */
export function pageStatement(
  filter: ProductFilter,
  sort: ProductSort,
  after: Position | undefined,
  limit: number,
  columns: SQL = sql`p.id`,
): SQL {
  const descending = sort.startsWith('-');
  const order = orders[sort.replace('-', '') as keyof typeof orders];
  const direction = descending ? sql`desc` : sql`asc`;
  const conditions = conditionsOf(filter);
  if (after) {
    const behind = descending ? sql`<` : sql`>`;
    conditions.push(
      sql`(${order.column}, ${order.id}) ${behind} (${after.key}::${order.type}, ${after.id}::uuid)`,
    );
  }
  const prices =
    filter.currency === undefined ? sql`` : sql`join products.lowest_price l on l.product_id = p.id`;
  return sql`
    select ${columns}, ${order.selected} as key
    from products.product p ${prices}
    where ${sql.join(conditions, sql` and `)}
    order by ${order.column} ${direction}, ${order.id} ${direction}
    limit ${suitsOnePlan(filter) ? sql.raw(String(Math.trunc(limit))) : sql`${limit}::int`}`;
}

/**
 * Whether the same plan is best for all values of a filter, as its order has an index. Then the limit stands in the
 * statement: one that Postgres does not know makes it plan anew for each page, which takes half as long as the page.
 */
function suitsOnePlan(filter: ProductFilter): boolean {
  const given = Object.entries(filter).filter(([, value]) => value !== undefined);
  return given.length === 0 || (given.length === 1 && ['category', 'inStock'].includes(given[0]![0]));
}

function conditionsOf(filter: ProductFilter): SQL[] {
  const conditions = [sql`p.status = 'active'`];
  if (filter.q !== undefined) conditions.push(sql`p.search @@ ${searchQuery(filter.q)}`);
  if (filter.category !== undefined) conditions.push(sql`p.category = ${filter.category}`);
  if (filter.sku !== undefined) {
    conditions.push(sql`p.id = any(array(
      select v.product_id from products.variant v where v.sku = any(${textArray(filter.sku)})))`);
  }
  if (filter.ids !== undefined) conditions.push(sql`p.id = any(${textArray(filter.ids)}::uuid[])`);
  if (filter.inStock !== undefined) {
    conditions.push(filter.inStock ? sql`p.in_stock = true` : sql`p.in_stock = false`);
  }
  if (filter.currency !== undefined) conditions.push(sql`l.currency = ${filter.currency}`);
  if (filter.minPrice !== undefined) conditions.push(sql`l.amount >= ${filter.minPrice}::bigint`);
  if (filter.maxPrice !== undefined) conditions.push(sql`l.amount <= ${filter.maxPrice}::bigint`);
  return conditions;
}

/**
 * All words of `text`, the last of them as a beginning. Postgres prints its query with every word quoted, so the
 * mark for a beginning can simply be added. A text without words gives null, which matches nothing.
 */
function searchQuery(text: string): SQL {
  return sql`(nullif(plainto_tsquery('simple', ${text})::text, '') || ':*')::tsquery`;
}

/** A product of a page. */
export interface ListedProduct extends StoredProduct {
  readonly position: Position;
}

/** Reads a page of products, with the place of each in the list. */
export async function findProducts(
  queryable: Queryable,
  filter: ProductFilter,
  sort: ProductSort,
  after: Position | undefined,
  limit: number,
): Promise<ListedProduct[]> {
  const rows = await queryable.rows<ProductColumns & Position>(
    pageStatement(filter, sort, after, limit, productColumns),
  );
  return rows.map(({ key, ...row }) => ({ ...storedProduct(row), position: { key, id: row.id } }));
}
