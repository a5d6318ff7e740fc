import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startShop, type TestShop } from '#platform/testing/shop';
import { productModule } from './module.ts';

let shop: TestShop;
let staff: string;
const ids = new Map<string, string>();

interface Sample {
  name: string;
  description?: string;
  category?: string;
  prices: { amount: number; currency: string }[][];
  onHand?: number;
}

const gbp = (amount: number) => ({ amount, currency: 'GBP' });
const eur = (amount: number) => ({ amount, currency: 'EUR' });

const samples: Sample[] = [
  { name: 'Red mug', description: 'For tea', category: 'kitchen', prices: [[gbp(300), eur(350)]], onHand: 2 },
  { name: 'blue mug', category: 'kitchen', prices: [[gbp(200)]] },
  {
    name: 'Teapot',
    description: 'A red pot',
    category: 'kitchen',
    prices: [[gbp(900)], [gbp(700)]],
    onHand: 1,
  },
  { name: 'T-shirt', category: 'clothes', prices: [[gbp(1000), eur(1100)]], onHand: 4 },
  { name: 'Ärmel', category: 'clothes', prices: [[eur(100)]], onHand: 4 },
  { name: 'Gift', prices: [[]] },
];

beforeAll(async () => {
  shop = await startShop({ modules: [productModule] });
  staff = (await shop.signUp('staff')).token;
  for (const { name, prices, onHand, ...rest } of samples) {
    const variants = prices.map((list, index) => ({ sku: `${name}/${index}`, prices: list, onHand }));
    const made = await shop.request('POST', '/products', { token: staff, body: { name, ...rest, variants } });
    ids.set(name, made.body.id);
  }
});

afterAll(() => shop.stop());

async function names(query: string): Promise<string[]> {
  const listed = await shop.request('GET', `/products?${query}`);
  expect(listed.status, JSON.stringify(listed.body)).toBe(200);
  return listed.body.data.map((product: { name: string }) => product.name);
}

async function walk(query: string): Promise<string[]> {
  const seen: string[] = [];
  let cursor: string | null = '';
  do {
    const page = await shop.request('GET', `/products?limit=2&${query}${cursor && `&cursor=${cursor}`}`);
    expect(page.status, JSON.stringify(page.body)).toBe(200);
    expect(page.body.data.length).toBeLessThanOrEqual(2);
    seen.push(...page.body.data.map((product: { name: string }) => product.name));
    cursor = page.body.nextCursor;
  } while (cursor !== null);
  return seen;
}

describe('GET /products', () => {
  it.each([
    ['q=mug', ['blue mug', 'Red mug']],
    ['q=RED', ['Teapot', 'Red mug']],
    ['q=tea%20red', ['Red mug']],
    ['q=tea', ['Teapot', 'Red mug']],
    ['q=t-shirt', ['T-shirt']],
    ['q=%21%21', []],
    ["q=mug'%20%26%20%7C:*", ['blue mug', 'Red mug']],
    ['category=clothes', ['Ärmel', 'T-shirt']],
    ['category=cloth', []],
    ['sku=Teapot/1&sku=Gift/0&sku=gift/0', ['Gift', 'Teapot']],
    ['currency=EUR', ['Ärmel', 'T-shirt', 'Red mug']],
    ['currency=GBP&minPrice=300&maxPrice=700', ['Teapot', 'Red mug']],
    ['currency=GBP&minPrice=701', ['T-shirt']],
    ['inStock=false', ['Gift', 'blue mug']],
    ['inStock=true&category=kitchen', ['Teapot', 'Red mug']],
    ['q=mug&category=kitchen&currency=GBP&maxPrice=300&inStock=true', ['Red mug']],
  ])('filters by %s', async (query, expected) => {
    expect(await names(query)).toEqual(expected);
  });

  it('finds products by id', async () => {
    const query = `ids=${ids.get('Gift')}&ids=${ids.get('Ärmel')},01890000-0000-7000-8000-000000000000`;
    expect(await names(query)).toEqual(['Gift', 'Ärmel']);
  });

  const created = samples.map((sample) => sample.name);
  const named = ['Gift', 'Red mug', 'T-shirt', 'Teapot', 'blue mug', 'Ärmel'];
  const priced = ['blue mug', 'Red mug', 'Teapot', 'T-shirt'];
  it.each([
    ['sort=createdAt', created],
    ['sort=-createdAt', created.toReversed()],
    ['', created.toReversed()],
    ['sort=name', named],
    ['sort=-name', named.toReversed()],
    ['sort=price&currency=GBP', priced],
    ['sort=-price&currency=GBP', priced.toReversed()],
    ['sort=name&inStock=false', ['Gift', 'blue mug']],
  ])('pages through %s without losing or repeating a product', async (query, expected) => {
    expect(await walk(query)).toEqual(expected);
  });

  it('stays in place when products are added in front of the cursor', async () => {
    const first = await shop.request('GET', '/products?limit=3&sort=-createdAt');
    const body = { name: 'Late', variants: [{ sku: 'late', prices: [] }] };
    const late = await shop.request('POST', '/products', { token: staff, body });
    const second = await shop.request(
      'GET',
      `/products?limit=3&sort=-createdAt&cursor=${first.body.nextCursor}`,
    );
    await shop.request('DELETE', `/products/${late.body.id}`, { token: staff });
    const seen = [...first.body.data, ...second.body.data].map((product) => product.name);
    expect(seen).toEqual(created.toReversed());
  });

  it('shows variants with prices and stock as the product itself does', async () => {
    const [listed] = (await shop.request('GET', '/products?q=teapot')).body.data;
    expect(listed).toEqual((await shop.request('GET', `/products/${listed.id}`)).body);
  });

  it('moves a product between in stock and sold out with its last piece', async () => {
    const path = `/products/${ids.get('Red mug')}/variants/Red%20mug%2F0/stock`;
    const move = (delta: number) =>
      shop.request('POST', path, { token: staff, body: { delta, reason: 'count' } });
    await move(-2);
    expect(await names('inStock=false&q=mug')).toEqual(['blue mug', 'Red mug']);
    await move(2);
    expect(await names('inStock=true&q=mug')).toEqual(['Red mug']);
  });

  it('follows the lowest price when prices change', async () => {
    const path = `/products/${ids.get('Teapot')}/variants/${encodeURIComponent('Teapot/0')}/prices/GBP`;
    await shop.request('PUT', path, { token: staff, body: { amount: 150 } });
    expect((await names('sort=price&currency=GBP'))[0]).toBe('Teapot');
    await shop.request('PUT', path, { token: staff, body: { amount: 900 } });
    expect((await names('sort=price&currency=GBP'))[0]).toBe('blue mug');
  });

  it.each([
    'sort=price',
    'sort=-price',
    'minPrice=1',
    'maxPrice=1',
    'sort=stock',
    'currency=GBX',
    'currency=GBP&minPrice=-1',
    'currency=GBP&maxPrice=x',
    'ids=nonsense',
    'currency=GBP&maxPrice=',
    'inStock=maybe',
    'limit=0',
    'q=%00',
    'cursor=forged',
    'q=',
  ])('refuses %s', async (query) => {
    const refused = await shop.request('GET', `/products?${query}`);
    expect(refused.status).toBe(400);
  });

  it('refuses a cursor of another list', async () => {
    const first = await shop.request('GET', '/products?limit=1&sort=name');
    const other = await shop.request('GET', `/products?limit=1&sort=-name&cursor=${first.body.nextCursor}`);
    expect(other.status).toBe(400);
  });

  it('refuses more skus than a page holds', async () => {
    const query = Array.from({ length: 101 }, (_, index) => `sku=${index}`).join('&');
    expect((await shop.request('GET', `/products?${query}`)).status).toBe(400);
  });
});
