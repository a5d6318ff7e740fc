import { sql } from 'drizzle-orm';
import { PgDialect } from 'drizzle-orm/pg-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Database } from '#platform/database/database';
import type { Engine } from '#platform/database/engine';
import { openModuleDatabase } from '#platform/testing/database';
import { productColumns } from './catalogue-store.ts';
import {
  findProducts,
  type Position,
  type ProductFilter,
  type ProductSort,
  pageStatement,
} from './list-store.ts';

const PRODUCTS = 100_000;

let engine: Engine;
let database: Database;

beforeAll(async () => {
  ({ engine, database } = await openModuleDatabase('product', 'products'));
  await fill();
}, 120_000);

afterAll(() => engine.close());

/** 100,000 products in 200 categories, one in twenty sold out, prices spread over two currencies. */
async function fill(): Promise<void> {
  const count = sql`generate_series(1, ${PRODUCTS}::int) as n`;
  const productId = sql`md5('product' || n)::uuid`;
  const variantId = sql`md5('variant' || n)::uuid`;
  await database.rows(sql`
    insert into products.product (id, slug, name, description, category, in_stock, created_at)
    select ${productId}, 'product-' || n, 'Product ' || md5(n::text) || ' colour' || n % 100, 'Part of series' || n % 3000,
      'category ' || n % 200, n % 20 <> 0, now() - n * interval '1 second'
    from ${count}`);
  await database.rows(sql`
    insert into products.variant (id, product_id, sku, options, position)
    select ${variantId}, ${productId}, 'SKU-' || n, '{}', 0 from ${count}`);
  await database.rows(sql`
    insert into products.stock (variant_id, initial, on_hand)
    select ${variantId}, 1, case when n % 20 <> 0 then 1 else 0 end from ${count}`);
  await database.rows(sql`
    insert into products.price (variant_id, currency, amount)
    select ${variantId}, currency, 1 + (n * 7919) % 50000
    from ${count}, (values ('GBP'), ('EUR')) as c(currency) where currency = 'GBP' or n % 2 = 0`);
  await database.rows(sql`
    insert into products.lowest_price (product_id, currency, amount)
    select v.product_id, p.currency, p.amount from products.variant v join products.price p on p.variant_id = v.id`);
  await database.rows(sql`analyze`);
}

async function planOf(statement: ReturnType<typeof pageStatement>): Promise<string> {
  const rows = await database.rows<{ 'QUERY PLAN': string }>(sql`explain ${statement}`);
  return rows.map((row) => row['QUERY PLAN']).join('\n');
}

/** How often Postgres plans a statement that one session runs this many times. */
async function plansMade(statement: ReturnType<typeof pageStatement>, times: number): Promise<number> {
  const { sql: text, params } = new PgDialect().sqlToQuery(statement);
  const values = params.map((value) => `'${String(value).replaceAll("'", "''")}'`).join(', ');
  return await database.transaction(async (tx) => {
    await tx.rows(sql.raw(`prepare page as ${text}`));
    for (let run = 0; run < times; run += 1) await tx.rows(sql.raw(`execute page${values && `(${values})`}`));
    const rows = await tx.rows<{ made: number }>(sql`
      select custom_plans as made from pg_prepared_statements where name = 'page'`);
    await tx.rows(sql`deallocate page`);
    return rows[0]!.made;
  });
}

const filters: Record<string, ProductFilter> = {
  nothing: {},
  'rare words': { q: 'series77' },
  'words of one product in a hundred': { q: 'product colour42' },
  'a word of every product': { q: 'product' },
  'the beginning of a word': { q: 'product series29' },
  'a category': { category: 'category 7' },
  skus: { sku: ['SKU-5', 'SKU-70000', 'nothing'] },
  ids: { ids: ['00000000-0000-7000-8000-000000000000', '11111111-0000-7000-8000-000000000000'] },
  'in stock': { inStock: true },
  'sold out': { inStock: false },
  'a currency': { currency: 'EUR' },
  'a narrow range of prices': { currency: 'GBP', minPrice: 1000, maxPrice: 1100 },
  'a wide range of prices': { currency: 'GBP', minPrice: 10 },
  'a category in stock': { category: 'category 7', inStock: true },
  'a category sold out': { category: 'category 7', inStock: false },
  'a category and prices': { category: 'category 7', currency: 'GBP', maxPrice: 2000 },
  'words and a category': { q: 'colour42', category: 'category 42' },
  'words, prices and stock': {
    q: 'colour42',
    currency: 'EUR',
    minPrice: 100,
    maxPrice: 40_000,
    inStock: true,
  },
  'sold out in a narrow range of prices': { inStock: false, currency: 'GBP', minPrice: 1000, maxPrice: 1100 },
};

const sorts: ProductSort[] = ['createdAt', '-createdAt', 'name', '-name', 'price', '-price'];
const deep: Record<string, Position> = {
  createdAt: { key: '', id: '80000000-0000-7000-8000-000000000000' },
  name: { key: 'Product 8', id: '80000000-0000-7000-8000-000000000000' },
  price: { key: 25_000, id: '80000000-0000-7000-8000-000000000000' },
};

describe('a list of 100,000 products', () => {
  beforeAll(async () => {
    const [row] = await database.rows<{ at: string }>(sql`
      select created_at::text as at from products.product where slug = 'product-50000'`);
    deep.createdAt = { ...deep.createdAt!, key: row!.at };
  });

  for (const [name, filter] of Object.entries(filters)) {
    for (const sort of sorts) {
      const priced = sort.endsWith('price') ? { currency: 'GBP', ...filter } : filter;
      it(`finds ${name} by ${sort} through an index, on the first page and deep inside`, async () => {
        for (const after of [undefined, deep[sort.replace('-', '')]]) {
          const plan = await planOf(pageStatement(priced, sort, after, 21, productColumns));
          expect(plan).not.toContain('Seq Scan');
          expect(plan).toMatch(/Index (Only )?Scan/);
        }
      });
    }
  }

  it('starts a deep page inside the index instead of skipping what comes before', async () => {
    for (const sort of sorts) {
      const filter = sort.endsWith('price') ? { currency: 'GBP' } : {};
      const plan = await planOf(pageStatement(filter, sort, deep[sort.replace('-', '')], 21));
      expect(plan).toMatch(/Index Cond: .*ROW\(/);
      expect(plan).not.toContain('Sort');
    }
  });

  it('is planned once for all pages, where no value makes another plan better', async () => {
    for (const filter of [{}, { category: 'category 7' }, { inStock: true }]) {
      for (const sort of ['createdAt', '-name'] as const) {
        const page = pageStatement(filter, sort, deep[sort.replace('-', '')], 21, productColumns);
        expect(await plansMade(page, 10)).toBeLessThan(10);
      }
    }
  });

  it('finds the products that the filters describe, in the order asked', async () => {
    const filter = {
      category: 'category 7',
      currency: 'GBP',
      minPrice: 1000,
      maxPrice: 20_000,
      inStock: true,
    };
    const found = await findProducts(database, filter, '-price', undefined, 10);
    const expected = await database.rows<Position>(sql`
      select p.id, pr.amount as key from products.product p
      join products.variant v on v.product_id = p.id
      join products.stock s on s.variant_id = v.id
      join products.price pr on pr.variant_id = v.id and pr.currency = 'GBP'
      where p.category = 'category 7' and pr.amount between 1000 and 20000 and s.on_hand > s.reserved
      order by pr.amount desc, p.id desc limit 10`);
    expect(found).toHaveLength(10);
    expect(found.map((product) => product.position)).toEqual(expected);
  });
});
