import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startShop, type TestAnswer, type TestShop } from '#platform/testing/shop';
import { productModule } from './module.ts';

const HEADER = 'sku,name,price_minor,currency,on_hand';

let shop: TestShop;
let staff: string;

beforeAll(async () => {
  shop = await startShop({ modules: [productModule] });
  staff = (await shop.signUp('staff')).token;
});

afterAll(() => shop.stop());

function send(csv: string, contentType = 'text/csv'): Promise<TestAnswer> {
  const headers = { 'content-type': contentType };
  return shop.request('POST', '/products/import', { token: staff, raw: csv, headers });
}

/** Imports a file and returns its finished job. */
async function importFile(...lines: string[]) {
  const accepted = await send(lines.join('\n'));
  expect(accepted.status, JSON.stringify(accepted.body)).toBe(202);
  await shop.settled();
  return (await shop.request('GET', accepted.headers.get('location')!, { token: staff })).body;
}

async function bySku(sku: string) {
  return (await shop.request('GET', `/products?sku=${encodeURIComponent(sku)}`)).body.data[0];
}

/** All that an import may write, to see whether one did. */
async function snapshot(): Promise<unknown> {
  const database = shop.database('product');
  return await database.rows(sql`
    select (select jsonb_agg(p order by p.id) from products.product p) as products,
      (select jsonb_agg(s order by s.variant_id) from products.stock s) as stock,
      (select jsonb_agg(h order by h.position) from products.price_history h) as prices,
      (select jsonb_agg(l order by l.product_id, l.currency) from products.lowest_price l) as lowest,
      (select count(*) from products.variant) as variants,
      (select count(*) from products.catalogue_import_row) as staged`);
}

describe('POST /products/import', () => {
  it('answers 202 with a job, and makes a product of every new sku', async () => {
    const accepted = await send(
      `${HEADER},category,description\nI-1,"Bowl, deep",250,GBP,7,kitchen,Of clay\n`,
    );
    expect(accepted.status).toBe(202);
    expect(accepted.body).toEqual({
      id: accepted.body.id,
      kind: 'catalogue-import',
      // However quick the workers are.
      state: 'queued',
      done: 0,
      total: 1,
      errors: [],
    });
    expect(accepted.headers.get('location')).toBe(`/api/v1/jobs/${accepted.body.id}`);
    await shop.settled();
    const job = await shop.request('GET', `/jobs/${accepted.body.id}`, { token: staff });
    expect(job.body).toEqual({
      id: accepted.body.id,
      kind: 'catalogue-import',
      state: 'done',
      done: 1,
      total: 1,
      errors: [],
    });
    expect(await bySku('I-1')).toMatchObject({
      name: 'Bowl, deep',
      slug: 'bowl-deep',
      category: 'kitchen',
      description: 'Of clay',
      variants: [{ prices: [{ amount: 250, currency: 'GBP' }], stock: { onHand: 7 } }],
    });
    const sorted = await shop.request('GET', '/products?q=clay&inStock=true&currency=GBP&maxPrice=250');
    expect(sorted.body.data).toHaveLength(1);
  });

  it('changes nothing when the same file comes again', async () => {
    const file = [
      `${HEADER},category`,
      'I-2,Jug,300,GBP,5,kitchen',
      'I-3,Jug,310,EUR,0,',
      'I-4,"Jug",0,GBP,1,x',
    ];
    await importFile(...file);
    const before = await snapshot();
    const job = await importFile(...file);
    expect(job).toMatchObject({ state: 'done', done: 3, errors: [] });
    expect(await snapshot()).toEqual(before);
  });

  it('gives equal names slugs of their own', async () => {
    const slugs = await Promise.all(['I-2', 'I-3', 'I-4'].map(async (sku) => (await bySku(sku)).slug));
    expect(slugs).toEqual(['jug', 'jug-i-3', 'jug-i-4']);
    await importFile(HEADER, 'm,Letter,1,GBP,1', 'M,Letter,1,GBP,1', 'm/,Letter,1,GBP,1');
    const letters = await Promise.all(['m', 'M', 'm/'].map(async (sku) => (await bySku(sku)).slug));
    expect(letters.slice(0, 2)).toEqual(['letter', 'letter-m']);
    expect(letters[2]).toMatch(/^letter-[0-9a-f-]{36}$/);
  });

  it('updates name, category, description and price of a known sku, but not its stock', async () => {
    await importFile(HEADER, 'I-5,Plate,100,GBP,5');
    const before = await bySku('I-5');
    await importFile(`${HEADER},description`, 'I-5,Big plate,120,GBP,999,Flat');
    const after = await bySku('I-5');
    expect(after).toMatchObject({
      id: before.id,
      slug: 'plate',
      name: 'Big plate',
      description: 'Flat',
      variants: [{ prices: [{ amount: 120, currency: 'GBP' }], stock: { onHand: 5 } }],
    });
    const cheapest = await shop.request('GET', '/products?q=plate&currency=GBP&minPrice=120');
    expect(cheapest.body.data).toHaveLength(1);
  });

  it('adds a currency to a known sku, and leaves other columns alone where the file has none', async () => {
    await importFile(`${HEADER},category`, 'I-6,Fork,100,GBP,5,cutlery');
    await importFile(HEADER, 'I-6,Fork,110,EUR,5');
    expect(await bySku('I-6')).toMatchObject({
      category: 'cutlery',
      variants: [
        {
          prices: [
            { amount: 110, currency: 'EUR' },
            { amount: 100, currency: 'GBP' },
          ],
        },
      ],
    });
  });

  it('only sets prices of a product with several variants', async () => {
    const prices = [{ amount: 1, currency: 'GBP' }];
    const body = {
      name: 'Shirt',
      variants: [
        { sku: 'I-S', prices },
        { sku: 'I-M', prices },
      ],
    };
    await shop.request('POST', '/products', { token: staff, body });
    await importFile(HEADER, 'I-S,Shirt small,10,GBP,5', 'I-M,Shirt medium,11,GBP,5');
    const shirt = await bySku('I-S');
    expect(shirt.name).toBe('Shirt');
    expect(shirt.variants.map((variant: { prices: unknown[] }) => variant.prices[0])).toEqual([
      { amount: 10, currency: 'GBP' },
      { amount: 11, currency: 'GBP' },
    ]);
  });

  it('reports rows that fail by line and applies the rest; the first row of a sku counts', async () => {
    const job = await importFile(
      HEADER,
      'I-7,Spoon,10,GBP,1',
      'I-8,Knife,ten,GBP,1',
      'I-7,Other spoon,20,GBP,1',
      'I-9,Ladle,10,GBP',
      'I-10,Whisk,10,GBP,1',
    );
    expect(job).toMatchObject({ state: 'done', done: 5, total: 5 });
    expect(job.errors).toEqual([
      { line: 3, message: 'price_minor: is not a whole number of 0 or more' },
      { line: 4, message: 'sku I-7 stands on line 2 already' },
      { line: 5, message: 'has 4 values where the header names 5 columns' },
    ]);
    expect((await bySku('I-7')).name).toBe('Spoon');
    expect(await bySku('I-8')).toBeUndefined();
    expect((await bySku('I-10')).name).toBe('Whisk');
  });

  it('sees a sku that stands twice when the rows are far apart', async () => {
    const rows = Array.from({ length: 1_200 }, (_, index) => `far-${index},Far ${index},1,GBP,1`);
    const job = await importFile(HEADER, ...rows, 'far-3,Again,2,GBP,1');
    expect(job).toMatchObject({ state: 'done', done: 1_201, total: 1_201 });
    expect(job.errors).toEqual([{ line: 1_202, message: 'sku far-3 stands on line 5 already' }]);
  });

  it('takes a file with a header alone', async () => {
    expect(await importFile(HEADER)).toMatchObject({ state: 'done', done: 0, total: 0, errors: [] });
  });

  it.each(['', 'sku,name,price_minor,currency,units_sold\nA,B,1,GBP,1'])(
    'refuses %j before it writes anything',
    async (csv) => {
      const before = await snapshot();
      const refused = await send(csv);
      expect([refused.status, refused.body.code]).toEqual([400, 'invalid_request']);
      expect(await snapshot()).toEqual(before);
    },
  );

  it('refuses what is not CSV', async () => {
    const refused = await send('{}', 'application/json');
    expect(refused.status).toBe(415);
  });

  it('leaves nothing of an upload that breaks off', async () => {
    const before = await snapshot();
    const lines = Array.from({ length: 3_000 }, (_, index) => `broken-${index},Broken,1,GBP,1\n`);
    const pieces = [`${HEADER}\n`, ...lines][Symbol.iterator]();
    const raw = new ReadableStream<Uint8Array>({
      pull(controller) {
        const next = pieces.next();
        if (next.done) controller.error(new Error('connection lost'));
        else controller.enqueue(new TextEncoder().encode(next.value));
      },
    });
    const headers = { 'content-type': 'text/csv' };
    const answer = await shop.request('POST', '/products/import', { token: staff, raw, headers });
    expect(answer.status).toBe(400);
    await shop.settled();
    expect(await snapshot()).toEqual(before);
  });

  it("imports a real retailer's catalogue, and then again without a change", async () => {
    const csv = await readFile(join(import.meta.dirname, '../../deploy/demo/catalogue.csv'), 'utf8');
    const first = await importFile(csv);
    expect(first).toMatchObject({ state: 'done', done: 3_922, total: 3_922, errors: [] });
    const before = await snapshot();
    await importFile(csv);
    expect(await snapshot()).toEqual(before);
  });
});
