import { sql } from 'drizzle-orm';
import type { Database, Queryable, Transaction } from '#platform/database/database';
import { jsonRows, textArray } from '#platform/database/sql';
import type { CatalogueEntry, ReadEntry } from './catalogue-row.ts';
import type { CatalogueRow } from './catalogue-store.ts';
import { READY_IMPORT_DAYS, UNREADY_IMPORT_HOURS } from './limits.ts';

/** A row of a file: read, or explained. */
export type StagedRow = { readonly line: number } & ReadEntry;

export async function createImport(queryable: Queryable, id: string): Promise<void> {
  await queryable.rows(sql`insert into products.catalogue_import (id) values (${id}::uuid)`);
}

/** Stages rows behind the `staged` that are there. */
export async function stageRows(
  queryable: Queryable,
  importId: string,
  staged: number,
  rows: readonly StagedRow[],
): Promise<void> {
  const numbered = rows.map((row, index) => ({
    ordinal: staged + index + 1,
    line: row.line,
    ...('entry' in row ? { sku: row.entry.sku, content: row.entry } : { error: row.error }),
  }));
  await queryable.rows(sql`
    insert into products.catalogue_import_row (import_id, ordinal, line, sku, content, error)
    select ${importId}::uuid, r.ordinal, r.line, r.sku, r.content, r.error
    from jsonb_to_recordset(${jsonRows(numbered)})
      as r(ordinal integer, line integer, sku text, content jsonb, error text)`);
}

/** Marks an import as whole, in the transaction that queues its job. */
export async function markReady(tx: Transaction, id: string): Promise<void> {
  await tx.rows(sql`update products.catalogue_import set ready = true where id = ${id}::uuid`);
}

/** Removes an import and its rows. */
export async function deleteImport(queryable: Queryable, id: string): Promise<void> {
  await queryable.rows(sql`delete from products.catalogue_import where id = ${id}::uuid`);
}

/** Removes what uploads that broke off and jobs that failed for good left behind. */
export async function sweepImports(database: Database): Promise<void> {
  await database.rows(sql`
    delete from products.catalogue_import
    where (not ready and created_at < now() - ${UNREADY_IMPORT_HOURS}::int * interval '1 hour')
       or created_at < now() - ${READY_IMPORT_DAYS}::int * interval '1 day'`);
}

/** Lets one import at a time write, so that two files with the same new sku do not both add it. */
export async function lockImports(tx: Transaction): Promise<void> {
  await tx.rows(sql`select pg_advisory_xact_lock(hashtext('products.catalogue_import'))`);
}

export interface ReadRow {
  readonly line: number;
  readonly content: CatalogueEntry | null;
  readonly error: string | null;
  /** The line of an earlier row with the same sku. */
  readonly earlierLine: number | null;
}

/** Up to `limit` staged rows behind the first `done`, in file order. */
export async function readStaged(
  tx: Transaction,
  importId: string,
  done: number,
  limit: number,
): Promise<ReadRow[]> {
  return await tx.rows<ReadRow>(sql`
    select r.line, r.content, r.error, (
      select e.line from products.catalogue_import_row e
      where e.import_id = r.import_id and e.sku = r.sku and e.ordinal < r.ordinal
      order by e.ordinal limit 1
    ) as "earlierLine"
    from products.catalogue_import_row r
    where r.import_id = ${importId}::uuid and r.ordinal > ${done}::int
    order by r.ordinal
    limit ${limit}::int`);
}

/** A sku that the shop has, and the product that holds it. */
export interface KnownSku extends CatalogueRow {
  readonly sku: string;
  readonly variantId: string;
  /** Variants of the product, this one included. */
  readonly variants: number;
}

/** The products that hold these skus, locked in id order. */
export async function lockBySku(tx: Transaction, skus: readonly string[]): Promise<KnownSku[]> {
  return await tx.rows<KnownSku>(sql`
    select p.id, p.slug, p.name, p.description, p.category, p.status, p.version,
      v.sku, v.id as "variantId",
      (select count(*) from products.variant other where other.product_id = p.id) as variants
    from products.variant v join products.product p on p.id = v.product_id
    where v.sku = any(${textArray(skus)})
    order by p.id
    for no key update of p`);
}
