import { type SQL, sql } from 'drizzle-orm';
import { PgDialect } from 'drizzle-orm/pg-core';
import { uuidv7 } from 'uuidv7';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Database, Transaction } from '#platform/database/database';
import type { Engine } from '#platform/database/engine';
import { openModuleDatabase } from '#platform/testing/database';
import { loadProducts, loadProductsBySku, quoteLines } from './catalogue-store.ts';
import { dropReservations, openReservations, reservationStates } from './reservation-store.ts';
import {
  freeReserved,
  lockShelves,
  refreshInStock,
  returnSold,
  sellReserved,
  takeStock,
} from './stock-store.ts';

// A shop of this size is the hard case: its tables are small enough for Postgres to rather read them as a whole.
const PRODUCTS = 1_000;

let engine: Engine;
let database: Database;

beforeAll(async () => {
  ({ engine, database } = await openModuleDatabase('product', 'products'));
  const id = sql`md5(n::text)::uuid`;
  const count = sql`generate_series(1, ${PRODUCTS}::int) as n`;
  await database.rows(sql`
    insert into products.product (id, slug, name, in_stock) select ${id}, 'p' || n, 'P ' || n, true from ${count}`);
  await database.rows(sql`
    insert into products.variant (id, product_id, sku, options, position)
    select ${id}, ${id}, 's' || n, '{}', 0 from ${count}`);
  await database.rows(sql`
    insert into products.stock (variant_id, initial, on_hand) select ${id}, 9, 9 from ${count}`);
  await database.rows(sql`
    insert into products.price (variant_id, currency, amount) select ${id}, 'GBP', n from ${count}`);
  await database.rows(sql`
    insert into products.reservation (order_id, state, expires_at) select ${id}, 'open', now() from ${count}`);
  await database.rows(sql`
    insert into products.reservation_line (order_id, variant_id, quantity)
    select md5(o::text)::uuid, ${id}, 1 from ${count}, generate_series(n, n + 2) as o`);
});

afterAll(() => engine.close());

const dialect = new PgDialect();

/** How Postgres runs the statements of `work` once it has planned them for whatever values may come. */
async function plansOf(work: (tx: Transaction) => Promise<unknown>): Promise<string[]> {
  const statements: SQL[] = [];
  const listening = { rows: async (statement: SQL) => statements.push(statement) && [] };
  await work(listening as unknown as Transaction);
  return await database.transaction(async (tx) => {
    await tx.rows(sql`set local plan_cache_mode = force_generic_plan`);
    const plans: string[] = [];
    for (const statement of statements) {
      const { sql: text, params } = dialect.sqlToQuery(statement);
      const values = params.map((value) => `'${String(value).replaceAll("'", "''")}'`);
      await tx.rows(sql.raw(`prepare asked as ${text}`));
      const rows = await tx.rows<{ 'QUERY PLAN': string }>(
        sql.raw(`explain execute asked(${values.join(', ')})`),
      );
      await tx.rows(sql`deallocate asked`);
      plans.push(rows.map((row) => row['QUERY PLAN']).join('\n'));
    }
    return plans;
  });
}

const ids = [uuidv7(), uuidv7()];
const statements: Record<string, (tx: Transaction) => Promise<unknown>> = {
  'locks shelves': (tx) => lockShelves(tx, ['s1', 's2']),
  'takes stock': (tx) => takeStock(tx, [{ orderId: ids[0]!, variantId: ids[1]!, quantity: 1 }]),
  'tells who is in stock': (tx) => refreshInStock(tx, ids),
  'opens reservations': (tx) => openReservations(tx, [{ orderId: ids[0]!, pinned: true, expiresInMs: 1 }]),
  'reads reservations': (tx) => reservationStates(tx, ids),
  'drops reservations': (tx) => dropReservations(tx, ids),
  'reads products': (tx) => loadProducts(tx, ids),
  'finds products by sku': (tx) => loadProductsBySku(tx, ['s1', 's2']),
  quotes: (tx) => quoteLines(tx, [{ sku: 's1', currency: 'GBP' }]),
};

/** Until Postgres has looked it does not know how few lines an order has. */
const statementsOnLines: Record<string, (tx: Transaction) => Promise<unknown>> = {
  'frees what is reserved': (tx) => freeReserved(tx, ids),
  'sells what is reserved': (tx) => sellReserved(tx, ids),
  'returns what is sold': (tx) => returnSold(tx, ids[0]!),
};

describe.each([
  { when: 'before Postgres has looked at its tables', known: false },
  { when: 'afterwards', known: true },
])('a small shop, $when,', ({ known }) => {
  beforeAll(async () => {
    if (known) await database.rows(sql`analyze`);
  });

  for (const [name, work] of Object.entries({ ...statements, ...(known ? statementsOnLines : {}) })) {
    it(`${name} by keys`, async () => {
      const plans = await plansOf(work);
      expect(plans).not.toEqual([]);
      for (const plan of plans) expect(plan).not.toContain('Seq Scan');
    });
  }
});
