import { type SQL, sql } from 'drizzle-orm';
import type { Queryable } from '#platform/database/database';
import { isoTime, textArray } from '#platform/database/sql';
import { type ProductColumns, productColumns, type StoredProduct, storedProduct } from './catalogue-store.ts';
import { LIST_WALK } from './limits.ts';

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
  readonly printed: (key: SQL) => SQL;
  readonly type: SQL;
}

const orders: Readonly<Record<'createdAt' | 'name' | 'price', Order>> = {
  createdAt: { column: sql`p.created_at`, id: sql`p.id`, printed: isoTime, type: sql`timestamptz` },
  name: { column: sql`p.name`, id: sql`p.id`, printed: (key) => key, type: sql`text` },
  price: { column: sql`l.amount`, id: sql`l.product_id`, printed: (key) => key, type: sql`bigint` },
};

const shown = [sql`p.status = 'active'`];

/** One page of a list: from `after` on, if that is given. */
export interface PageRequest {
  readonly filter: ProductFilter;
  readonly sort: ProductSort;
  readonly after: Position | undefined;
  readonly limit: number;
}

/**
 * The statements that find a page of active products, with `columns` of each and its sort key, one to be asked after
 * the other: the first that gives a full page has it, and the last one has it in any case.
 *
 * Where an index has the filter and the sort, the page is a stretch of it. Else it depends on how many products the
 * filter finds, which nobody knows: Postgres takes the beginning of a rare word for that of a frequent one, and reads
 * the whole catalogue in its order for the few there are. So the first LIST_WALK products of the order are looked at,
 * which often enough have the page, and then those are collected that the filter finds: a few.
 */
export function pageStatements(page: PageRequest, columns: SQL = sql`p.id`): SQL[] {
  const { ids, sku } = page.filter;
  if (ids !== undefined || sku !== undefined) return [collectStatement(page, columns)];
  const { indexed, others } = partsOf(page.filter, page.sort);
  if (Object.keys(others).length === 0) return [walkStatement(page, columns)];
  return [lookStatement(page, indexed, others, columns), collectStatement(page, columns)];
}

/** What an index has in the order of the sort, and the rest. A filter that is not given is in neither. */
function partsOf(
  filter: ProductFilter,
  sort: ProductSort,
): { readonly indexed: ProductFilter; readonly others: ProductFilter } {
  const given = Object.entries(filter).filter(([, value]) => value !== undefined);
  const names = sort.endsWith('price')
    ? ['currency', 'minPrice', 'maxPrice']
    : [filter.category === undefined ? 'inStock' : 'category'];
  const isIndexed = ([name]: readonly [string, unknown]) => names.includes(name);
  return {
    indexed: Object.fromEntries(given.filter(isIndexed)),
    others: Object.fromEntries(given.filter((part) => !isIndexed(part))),
  };
}

/**
 * A stretch of an index. The limit stands in the statement: one that Postgres does not know makes it plan each page
 * anew, which takes half as long as the page.
 */
function walkStatement({ filter, sort, after, limit }: PageRequest, columns: SQL): SQL {
  const { column, id, printed } = orderOf(sort);
  return sql`
    select ${columns}, ${printed(column)} as key
    from ${productsOf(filter, sql`join`)}
    where ${allOf(shown, conditionsOf(filter), behind(sort, after))}
    order by ${inOrder(sort, column, id)}
    limit ${literal(limit)}`;
}

function lookStatement(
  { filter, sort, after, limit }: PageRequest,
  indexed: ProductFilter,
  others: ProductFilter,
  columns: SQL,
): SQL {
  const { column, id, printed } = orderOf(sort);
  // A product without such a price is one of those that are looked at.
  const join = sort.endsWith('price') ? sql`join` : sql`left join`;
  return sql`
    select ${columns}, ${printed(sql`f.key`)} as key
    from (
      select w.id, w.key
      from (
        select p.id, ${column} as key, ${allOf(conditionsOf(others))} as fits
        from ${productsOf(filter, join)}
        where ${allOf(shown, conditionsOf(indexed), behind(sort, after))}
        order by ${inOrder(sort, column, id)}
        limit ${literal(LIST_WALK)}
      ) w
      where w.fits
      order by ${inOrder(sort, sql`w.key`, sql`w.id`)}
      limit ${literal(limit)}
    ) f
    join products.product p on p.id = f.id
    order by ${inOrder(sort, sql`f.key`, sql`f.id`)}`;
}

/** All that the filter finds, and of these the page. Materialized, so that the order does not tempt Postgres to walk. */
function collectStatement({ filter, sort, after, limit }: PageRequest, columns: SQL): SQL {
  const { column, printed } = orderOf(sort);
  return sql`
    with found as materialized (
      select p.id, ${column} as key
      from ${filter.q === undefined ? productsOf(filter, sql`join`) : foundByWords(filter)}
      where ${allOf(shown, conditionsOf(filter), behind(sort, after))}
    )
    select ${columns}, ${printed(sql`f.key`)} as key
    from (select * from found order by ${inOrder(sort, sql`key`, sql`id`)} limit ${limit}::int) f
    join products.product p on p.id = f.id
    order by ${inOrder(sort, sql`f.key`, sql`f.id`)}`;
}

function orderOf(sort: ProductSort): Order {
  return orders[sort.replace('-', '') as keyof typeof orders];
}

function inOrder(sort: ProductSort, key: SQL, id: SQL): SQL {
  const direction = sort.startsWith('-') ? sql`desc` : sql`asc`;
  return sql`${key} ${direction}, ${id} ${direction}`;
}

/** Whole rows are compared, so an index scan starts right behind the last one shown, however deep the page is. */
function behind(sort: ProductSort, after: Position | undefined): SQL[] {
  if (after === undefined) return [];
  const { column, id, type } = orderOf(sort);
  const comparison = sort.startsWith('-') ? sql`<` : sql`>`;
  return [sql`(${column}, ${id}) ${comparison} (${after.key}::${type}, ${after.id}::uuid)`];
}

/** Products, and with a currency their lowest price in it. */
function productsOf({ currency }: ProductFilter, join: SQL): SQL {
  if (currency === undefined) return sql`products.product p`;
  return sql`products.product p ${join} products.lowest_price l on l.product_id = p.id and l.currency = ${currency}`;
}

/** The same, where words find the products: Postgres can not know how few, and would read all prices for them. */
function foundByWords({ currency }: ProductFilter): SQL {
  if (currency === undefined) return sql`products.product p`;
  return sql`products.product p join lateral (
    select * from products.lowest_price o where o.product_id = p.id and o.currency = ${currency} offset 0
  ) l on true`;
}

function allOf(...conditions: readonly SQL[][]): SQL {
  return sql.join(conditions.flat(), sql` and `);
}

function literal(count: number): SQL {
  return sql.raw(String(Math.trunc(count)));
}

function conditionsOf(filter: ProductFilter): SQL[] {
  const conditions: SQL[] = [];
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
  if (filter.currency !== undefined) conditions.push(sql`l.currency is not null`);
  if (filter.minPrice !== undefined) conditions.push(sql`l.amount >= ${filter.minPrice}::bigint`);
  if (filter.maxPrice !== undefined) conditions.push(sql`l.amount <= ${filter.maxPrice}::bigint`);
  return conditions;
}

/**
 * All words of `text`, the last of them as a beginning. Postgres prints its query with every word quoted, so the
 * mark for a beginning can simply be added. A text without words gives null, which matches nothing. A query of its own,
 * so that it is made once and not for each product that is looked at.
 */
function searchQuery(text: string): SQL {
  return sql`(select (nullif(plainto_tsquery('simple', ${text})::text, '') || ':*')::tsquery)`;
}

/** A product of a page. */
export interface ListedProduct extends StoredProduct {
  readonly position: Position;
}

/** Reads a page of products, with the place of each in the list. */
export async function findProducts(queryable: Queryable, page: PageRequest): Promise<ListedProduct[]> {
  let rows: (ProductColumns & Position)[] = [];
  for (const statement of pageStatements(page, productColumns)) {
    rows = await queryable.rows<ProductColumns & Position>(statement);
    if (rows.length === page.limit) break;
  }
  return rows.map(({ key, ...row }) => ({ ...storedProduct(row), position: { key, id: row.id } }));
}
