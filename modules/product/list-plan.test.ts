import { type SQL, sql } from 'drizzle-orm';
import { PgDialect } from 'drizzle-orm/pg-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Database } from '#platform/database/database';
import type { Engine } from '#platform/database/engine';
import { isoTime } from '#platform/database/sql';
import { openModuleDatabase } from '#platform/testing/database';
import { productColumns } from './catalogue-store.ts';
import { LIST_WALK } from './limits.ts';
import {
  findProducts,
  type PageRequest,
  type Position,
  type ProductFilter,
  type ProductSort,
  pageStatements,
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
  all = await readAll();
}

/** The plans of those of a page's statements that are asked. */
async function plansOf(page: PageRequest, columns?: SQL): Promise<string[]> {
  const plans: string[] = [];
  for (const statement of pageStatements(page, columns)) {
    const rows = await database.rows<{ 'QUERY PLAN': string }>(sql`explain ${statement}`);
    plans.push(rows.map((row) => row['QUERY PLAN']).join('\n'));
    if ((await database.rows(statement)).length === page.limit) break;
  }
  return plans;
}

interface Known {
  readonly id: string;
  readonly createdAt: string;
  readonly name: string;
  readonly words: string;
  readonly category: string;
  readonly inStock: boolean;
  readonly sku: string;
  readonly GBP: number | null;
  readonly EUR: number | null;
}

let all: Known[];

async function readAll(): Promise<Known[]> {
  return await database.rows<Known>(sql`
    select p.id, ${isoTime(sql`p.created_at`)} as "createdAt", p.name,
      lower(p.name || ' ' || p.description) as words, p.category, p.in_stock as "inStock", v.sku,
      (select amount from products.price where variant_id = v.id and currency = 'GBP') as "GBP",
      (select amount from products.price where variant_id = v.id and currency = 'EUR') as "EUR"
    from products.product p join products.variant v on v.product_id = p.id`);
}

/** The page that a list should give, found the long way. */
function inMemory({ filter, sort, after, limit }: PageRequest): Position[] {
  const [least, most] = [filter.minPrice ?? 0, filter.maxPrice ?? Number.POSITIVE_INFINITY];
  const words = filter.q?.split(' ') ?? [];
  const priceOf = (product: Known) => product[(filter.currency ?? 'GBP') as 'GBP'];
  const fits = (product: Known) =>
    words.every((word, index) =>
      ` ${product.words} `.includes(index === words.length - 1 ? ` ${word}` : ` ${word} `),
    ) &&
    (filter.category === undefined || product.category === filter.category) &&
    (filter.inStock === undefined || product.inStock === filter.inStock) &&
    (filter.sku === undefined || filter.sku.includes(product.sku)) &&
    (filter.ids === undefined || filter.ids.includes(product.id)) &&
    (filter.currency === undefined || priceOf(product) !== null) &&
    (filter.currency === undefined || (priceOf(product)! >= least && priceOf(product)! <= most));
  const name = sort.replace('-', '') as 'createdAt' | 'name' | 'price';
  const down = sort.startsWith('-') ? -1 : 1;
  const compare = (one: Position, other: Position) =>
    down * (one.key < other.key ? -1 : one.key > other.key ? 1 : one.id < other.id ? -1 : 1);
  return all
    .filter(fits)
    .map((product) => ({ key: name === 'price' ? priceOf(product)! : product[name], id: product.id }))
    .filter((position) => after === undefined || compare(position, after) > 0)
    .sort(compare)
    .slice(0, limit);
}

/** How often Postgres plans a statement that one session runs this many times. */
async function plansMade(statement: SQL, times: number): Promise<number> {
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
  'a category in stock in a range of prices': {
    category: 'category 7',
    currency: 'GBP',
    minPrice: 1000,
    maxPrice: 20_000,
    inStock: true,
  },
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
      select ${isoTime(sql`created_at`)} as at from products.product where slug = 'product-50000'`);
    deep.createdAt = { ...deep.createdAt!, key: row!.at };
  });

  for (const [name, filter] of Object.entries(filters)) {
    for (const sort of sorts) {
      const priced = sort.endsWith('price') ? { currency: 'GBP', ...filter } : filter;
      it(`finds ${name} by ${sort} through an index, on the first page and deep inside`, async () => {
        for (const after of [undefined, deep[sort.replace('-', '')]]) {
          const page = { filter: priced, sort, after, limit: 21 };
          for (const plan of await plansOf(page, productColumns)) {
            expect(plan).not.toContain('Seq Scan');
            expect(plan).toMatch(/Index (Only )?Scan/);
          }
          const found = await findProducts(database, page);
          expect(found.map(({ position }) => position)).toEqual(inMemory(page));
        }
      });
    }
  }

  it('starts a deep page inside the index instead of skipping what comes before', async () => {
    for (const sort of sorts) {
      const filter = sort.endsWith('price') ? { currency: 'GBP' } : {};
      const [plan] = await plansOf({ filter, sort, after: deep[sort.replace('-', '')], limit: 21 });
      expect(plan).toMatch(/Index Cond: .*ROW\(/);
      expect(plan).not.toContain('Sort');
    }
  });

  it('looks at a bounded part of the order, without sorting, before it collects what is rare', async () => {
    for (const sort of sorts) {
      const filter = {
        q: 'series77',
        currency: 'GBP',
        maxPrice: 20_000,
        inStock: true,
      };
      for (const after of [undefined, deep[sort.replace('-', '')]]) {
        const plans = await plansOf({ filter, sort, after, limit: 21 });
        expect(plans).toHaveLength(2);
        expect(plans[0]).not.toContain('Sort');
        expect(plans[0]).toContain(`rows=${LIST_WALK}`);
      }
    }
  });

  it('is planned once for all pages, where no value makes another plan better', async () => {
    for (const filter of [{}, { category: 'category 7' }, { inStock: true }, { q: 'colour42' }]) {
      for (const sort of ['createdAt', '-name'] as const) {
        const page = { filter, sort, after: deep[sort.replace('-', '')], limit: 21 };
        expect(await plansMade(pageStatements(page, productColumns)[0]!, 10)).toBeLessThan(10);
      }
    }
  });
});
