import { sql } from 'drizzle-orm';
import type { Queryable, Transaction } from '#platform/database/database';
import { isoTime, jsonRows, listRows, textArray } from '#platform/database/sql';
import type { Product } from './contract.ts';

/** A product as the API shows it, and the version its ETag carries. */
export interface StoredProduct {
  readonly product: Product;
  readonly version: number;
}

/**
 * What a product `p` is read by, with all its variants, prices and stock. Each of these is looked up by its key, so a
 * product costs the same whether one is read or many, and however many there are.
 */
export const productColumns = sql`
  p.id, p.slug, p.name, p.description, p.category, p.status, p.version,
  (
    select coalesce(json_agg(json_build_object(
      'id', v.id, 'sku', v.sku, 'options', v.options,
      'prices', (
        select coalesce(json_agg(json_build_object('amount', c.amount, 'currency', c.currency) order by c.currency), '[]')
        from products.price c where c.variant_id = v.id
      ),
      'stock', (
        select json_build_object('onHand', s.on_hand, 'reserved', s.reserved, 'available', s.on_hand - s.reserved)
        from products.stock s where s.variant_id = v.id
      )
    ) order by v.position, v.id), '[]')
    from products.variant v where v.product_id = p.id
  ) as variants,
  ${isoTime(sql`p.created_at`)} as "createdAt", ${isoTime(sql`p.updated_at`)} as "updatedAt"`;

/** A row of `productColumns`. */
export type ProductColumns = Product & { readonly version: number };

export function storedProduct({ version, ...product }: ProductColumns): StoredProduct {
  return { product, version };
}

/** The products with these ids, archived ones too, in the order asked; unknown ids are left out. */
export async function loadProducts(queryable: Queryable, ids: readonly string[]): Promise<StoredProduct[]> {
  const rows = await queryable.rows<ProductColumns>(sql`
    select ${productColumns}
    from ${listRows(['uuid', ids])} as n(id) join products.product p on p.id = n.id`);
  const byId = new Map(rows.map((row) => [row.id, storedProduct(row)]));
  return ids.flatMap((id) => byId.get(id.toLowerCase()) ?? []);
}

/** The products that hold these skus, each once. */
export async function loadProductsBySku(
  queryable: Queryable,
  skus: readonly string[],
): Promise<StoredProduct[]> {
  const rows = await queryable.rows<ProductColumns>(sql`
    select ${productColumns}
    from (
      select distinct v.product_id as id
      from ${listRows(['text', skus])} as n(sku) join products.variant v on v.sku = n.sku
    ) n
    join products.product p on p.id = n.id`);
  return rows.map(storedProduct);
}

export interface CatalogueRow {
  readonly id: string;
  readonly slug: string;
  readonly name: string;
  readonly description: string;
  readonly category: string | null;
  readonly status: 'active' | 'archived';
  readonly version: number;
}

/** Locks a product against other changes of the catalogue and reads it; undefined when there is none. */
export async function lockProduct(tx: Transaction, id: string): Promise<CatalogueRow | undefined> {
  const rows = await tx.rows<CatalogueRow>(sql`
    select id, slug, name, description, category, status, version
    from products.product where id = ${id}::uuid
    for no key update`);
  return rows[0];
}

/** Which of these slugs are in use. */
export async function takenSlugs(queryable: Queryable, slugs: readonly string[]): Promise<Set<string>> {
  const rows = await queryable.rows<{ slug: string }>(sql`
    select slug from products.product where slug = any(${textArray(slugs)})`);
  return new Set(rows.map((row) => row.slug));
}

export interface ProductRow {
  readonly id: string;
  readonly slug: string;
  readonly name: string;
  readonly description: string;
  readonly category: string | null;
  readonly inStock: boolean;
}

/** Inserts the products whose slugs are free, and returns the ids of those that went in. */
export async function insertProducts(tx: Transaction, products: readonly ProductRow[]): Promise<Set<string>> {
  const rows = await tx.rows<{ id: string }>(sql`
    insert into products.product (id, slug, name, description, category, in_stock)
    select n.id, n.slug, n.name, n.description, n.category, n."inStock"
    from jsonb_to_recordset(${jsonRows(products)})
      as n(id uuid, slug text, name text, description text, category text, "inStock" boolean)
    on conflict (slug) do nothing
    returning id`);
  return new Set(rows.map((row) => row.id));
}

export interface ProductChange {
  readonly id: string;
  readonly slug: string;
  readonly name: string;
  readonly description: string;
  readonly category: string | null;
  readonly status: 'active' | 'archived';
}

/**
 * Writes changed products, a version each. The caller has locked them and knows that something differs.
 * Rejects with Postgres's unique violation when a slug is in use.
 */
export async function updateProducts(tx: Transaction, changes: readonly ProductChange[]): Promise<void> {
  await tx.rows(sql`
    update products.product p
    set slug = c.slug, name = c.name, description = c.description, category = c.category, status = c.status,
        version = p.version + 1, updated_at = now()
    from jsonb_to_recordset(${jsonRows(changes)})
      as c(id uuid, slug text, name text, description text, category text, status text)
    where p.id = c.id`);
}

/** Whether a statement was refused because a value that must be unique is in use. */
export function isUniqueViolation(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === '23505';
}

/** Archives a product; of an archived one nothing changes. */
export async function archive(tx: Transaction, id: string): Promise<void> {
  await tx.rows(sql`
    update products.product set status = 'archived', version = version + 1, updated_at = now()
    where id = ${id}::uuid and status <> 'archived'`);
}

export interface VariantRow {
  readonly id: string;
  readonly productId: string;
  readonly sku: string;
  readonly options: Readonly<Record<string, string>>;
  /** Its place among the product's variants. */
  readonly position: number;
  readonly onHand: number;
}

/** Inserts variants with their stock, and returns the skus that were in use already: those did not go in. */
export async function insertVariants(tx: Transaction, variants: readonly VariantRow[]): Promise<string[]> {
  const rows = await tx.rows<{ sku: string }>(sql`
    with added as (
      insert into products.variant (id, product_id, sku, options, position)
      select n.id, n."productId", n.sku, n.options, n.position
      from jsonb_to_recordset(${jsonRows(variants)})
        as n(id uuid, "productId" uuid, sku text, options jsonb, position integer)
      on conflict (sku) do nothing
      returning id
    ), shelved as (
      insert into products.stock (variant_id, initial, on_hand)
      select n.id, n."onHand", n."onHand"
      from jsonb_to_recordset(${jsonRows(variants)}) as n(id uuid, "onHand" bigint)
      join added a on a.id = n.id
    )
    select n.sku from jsonb_to_recordset(${jsonRows(variants)}) as n(id uuid, sku text)
    where not exists (select from added a where a.id = n.id)`);
  return rows.map((row) => row.sku);
}

export interface KnownVariant {
  readonly id: string;
  readonly sku: string;
  readonly options: Readonly<Record<string, string>>;
  readonly position: number;
}

export async function variantsOf(queryable: Queryable, productId: string): Promise<KnownVariant[]> {
  return await queryable.rows<KnownVariant>(sql`
    select id, sku, options, position from products.variant
    where product_id = ${productId}::uuid order by position`);
}

/** A variant by its product and sku, with the product's version; undefined when that product has no such sku. */
export async function findVariant(
  queryable: Queryable,
  productId: string,
  sku: string,
): Promise<{ id: string; version: number } | undefined> {
  const rows = await queryable.rows<{ id: string; version: number }>(sql`
    select v.id, p.version from products.variant v join products.product p on p.id = v.product_id
    where v.product_id = ${productId}::uuid and v.sku = ${sku}`);
  return rows[0];
}

export async function updateOptions(
  tx: Transaction,
  changes: readonly { id: string; options: Readonly<Record<string, string>> }[],
): Promise<void> {
  await tx.rows(sql`
    update products.variant v set options = c.options
    from jsonb_to_recordset(${jsonRows(changes)}) as c(id uuid, options jsonb)
    where v.id = c.id`);
}

/** A sku, and the currency that its price is asked in. */
export interface QuoteRequest {
  readonly sku: string;
  readonly currency: string;
}

export interface QuoteLine extends QuoteRequest {
  readonly name: string;
  /** Null when it has no price in the currency. */
  readonly amount: number | null;
}

/** The names of active products and their prices; skus of none are left out. */
export async function quoteLines(
  queryable: Queryable,
  requests: readonly QuoteRequest[],
): Promise<QuoteLine[]> {
  return await queryable.rows<QuoteLine>(sql`
    select n.sku, n.currency, p.name, c.amount
    from ${listRows(
      ['text', requests.map((request) => request.sku)],
      ['text', requests.map((request) => request.currency)],
    )} as n(sku, currency)
    join products.variant v on v.sku = n.sku
    join products.product p on p.id = v.product_id and p.status = 'active'
    left join products.price c on c.variant_id = v.id and c.currency = n.currency`);
}
