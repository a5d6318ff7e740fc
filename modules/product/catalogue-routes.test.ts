import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startShop, type TestShop } from '#platform/testing/shop';
import { productModule } from './module.ts';

let shop: TestShop;
let staff: string;
let customer: string;

const UNKNOWN = '01890000-0000-7000-8000-000000000000';

beforeAll(async () => {
  shop = await startShop({ modules: [productModule] });
  staff = (await shop.signUp('staff')).token;
  customer = (await shop.signUp('customer')).token;
});

afterAll(() => shop.stop());

let counter = 0;

/** A product with skus of its own, whatever else the test says. */
async function create(body: object = {}) {
  counter += 1;
  const variants = [{ sku: `sku ${counter}`, prices: [{ amount: 100, currency: 'GBP' }], onHand: 5 }];
  const made = await shop.request('POST', '/products', {
    token: staff,
    body: { name: `Thing ${counter}`, variants, ...body },
  });
  expect(made.status, JSON.stringify(made.body)).toBe(201);
  return made.body;
}

describe('POST /products', () => {
  it('creates a product with variants, prices and stock, and tells where it is', async () => {
    const made = await shop.request('POST', '/products', {
      token: staff,
      body: {
        name: 'Tea towel, “Union”',
        description: 'Linen',
        category: 'kitchen',
        variants: [
          {
            sku: 'TT/S 1',
            options: { size: 'S' },
            prices: [
              { amount: 250, currency: 'GBP' },
              { amount: 300, currency: 'EUR' },
            ],
            onHand: 3,
          },
          { sku: 'TT/M 1', prices: [] },
        ],
      },
    });
    expect(made.status).toBe(201);
    expect(made.headers.get('location')).toBe(`/api/v1/products/${made.body.id}`);
    expect(made.body).toMatchObject({
      slug: 'tea-towel-union',
      name: 'Tea towel, “Union”',
      description: 'Linen',
      category: 'kitchen',
      status: 'active',
      variants: [
        {
          sku: 'TT/S 1',
          options: { size: 'S' },
          prices: [
            { amount: 300, currency: 'EUR' },
            { amount: 250, currency: 'GBP' },
          ],
          stock: { onHand: 3, reserved: 0, available: 3 },
        },
        { sku: 'TT/M 1', options: {}, prices: [], stock: { onHand: 0, reserved: 0, available: 0 } },
      ],
    });
    const read = await shop.request('GET', `/products/${made.body.id}`);
    expect(read.body).toEqual(made.body);
  });

  it('creates once for one idempotency key', async () => {
    const body = { name: 'Once', variants: [{ sku: 'once', prices: [] }] };
    const headers = { 'idempotency-key': 'create-once' };
    const first = await shop.request('POST', '/products', { token: staff, headers, body });
    const second = await shop.request('POST', '/products', { token: staff, headers, body });
    expect(second.status).toBe(201);
    expect(second.body).toEqual(first.body);
    expect(second.headers.get('idempotency-replayed')).toBe('true');
  });

  it('makes another slug for a name that was used before', async () => {
    const first = await create({ name: 'Same name', variants: [{ sku: 'same-1', prices: [] }] });
    const second = await create({ name: 'Same name', variants: [{ sku: 'SAME 2', prices: [] }] });
    expect([first.slug, second.slug]).toEqual(['same-name', 'same-name-same-2']);
  });

  it('refuses a slug or a sku that is taken', async () => {
    const known = await create({ slug: 'my-slug' });
    const body = { name: 'Other', variants: [{ sku: 'other-sku', prices: [] }] };
    const slug = await shop.request('POST', '/products', {
      token: staff,
      body: { ...body, slug: 'my-slug' },
    });
    expect([slug.status, slug.body.code]).toEqual([409, 'slug_taken']);
    const sku = known.variants[0].sku;
    const taken = await shop.request('POST', '/products', {
      token: staff,
      body: { ...body, variants: [...body.variants, { sku, prices: [] }] },
    });
    expect([taken.status, taken.body.code, taken.body.skus]).toEqual([409, 'sku_taken', [sku]]);
    const left = await shop.request('GET', '/products?sku=other-sku');
    expect(left.body.data).toEqual([]);
  });

  it('keeps skus that differ in case apart', async () => {
    await create({ variants: [{ sku: 'cased', prices: [] }] });
    const other = await create({ variants: [{ sku: 'CASED', prices: [] }] });
    const found = await shop.request('GET', '/products?sku=CASED');
    expect(found.body.data.map((product: { id: string }) => product.id)).toEqual([other.id]);
  });

  const variant = { sku: 'v', prices: [{ amount: 1, currency: 'GBP' }] };
  it.each([
    ['an unknown member', { name: 'A', variants: [variant], price: 1 }],
    ['a status', { name: 'A', variants: [variant], status: 'archived' }],
    ['a blank name', { name: '  ', variants: [variant] }],
    ['a name with U+0000', { name: 'a\0b', variants: [variant] }],
    ['half a surrogate pair', { name: 'a\ud800b', variants: [variant] }],
    ['a slug with capitals', { name: 'A', slug: 'Not-A-Slug', variants: [variant] }],
    ['no variants', { name: 'A', variants: [] }],
    ['a sku twice', { name: 'A', variants: [variant, variant] }],
    ['a sku of 65 characters', { name: 'A', variants: [{ ...variant, sku: 'x'.repeat(65) }] }],
    [
      'a negative price',
      { name: 'A', variants: [{ ...variant, prices: [{ amount: -1, currency: 'GBP' }] }] },
    ],
    [
      'a fraction of a penny',
      { name: 'A', variants: [{ ...variant, prices: [{ amount: 0.5, currency: 'GBP' }] }] },
    ],
    [
      'an unknown currency',
      { name: 'A', variants: [{ ...variant, prices: [{ amount: 1, currency: 'GBX' }] }] },
    ],
    [
      'a currency twice',
      { name: 'A', variants: [{ ...variant, prices: [...variant.prices, ...variant.prices] }] },
    ],
    ['less than nothing on hand', { name: 'A', variants: [{ ...variant, onHand: -1 }] }],
  ])('refuses %s', async (_, body) => {
    const refused = await shop.request('POST', '/products', { token: staff, body });
    expect([refused.status, refused.body.code]).toEqual([400, 'invalid_request']);
    expect(refused.body.errors.length).toBeGreaterThan(0);
  });
});

describe('GET /products/{id}', () => {
  it('answers 404 for an id that is unknown or none at all', async () => {
    for (const id of [UNKNOWN, 'nonsense']) {
      const missing = await shop.request('GET', `/products/${id}`);
      expect([missing.status, missing.body.code]).toEqual([404, 'not_found']);
    }
  });

  it('answers 304 to whom knows the current version, until stock moves', async () => {
    const product = await create();
    const etag = (await shop.request('GET', `/products/${product.id}`)).headers.get('etag')!;
    const headers = { 'if-none-match': etag };
    expect((await shop.request('GET', `/products/${product.id}`, { headers })).status).toBe(304);
    await shop.request(
      'POST',
      `/products/${product.id}/variants/${encodeURIComponent(product.variants[0].sku)}/stock`,
      {
        token: staff,
        body: { delta: 1, reason: 'count' },
      },
    );
    expect((await shop.request('GET', `/products/${product.id}`, { headers })).status).toBe(200);
  });
});

describe('PATCH /products/{id}', () => {
  const patch = (id: string, body: unknown, headers = {}) =>
    shop.request('PATCH', `/products/${id}`, { token: staff, body, headers });

  it('changes what it is given and leaves the rest', async () => {
    const product = await create({ category: 'old', description: 'kept' });
    const changed = await patch(product.id, { name: 'New name', category: null });
    expect(changed.status).toBe(200);
    expect(changed.body).toMatchObject({
      name: 'New name',
      category: null,
      description: 'kept',
      slug: product.slug,
    });
    expect((await shop.request('GET', `/products/${product.id}`)).body).toEqual(changed.body);
  });

  it('adds variants and changes known ones by sku', async () => {
    const product = await create();
    const { sku } = product.variants[0];
    const changed = await patch(product.id, {
      variants: [
        { sku, options: { size: 'L' }, prices: [{ amount: 80, currency: 'EUR' }] },
        { sku: `${sku} new`, prices: [{ amount: 90, currency: 'GBP' }], onHand: 4 },
      ],
    });
    expect(changed.body.variants).toMatchObject([
      {
        sku,
        options: { size: 'L' },
        prices: [
          { amount: 80, currency: 'EUR' },
          { amount: 100, currency: 'GBP' },
        ],
        stock: { onHand: 5 },
      },
      { sku: `${sku} new`, options: {}, prices: [{ amount: 90, currency: 'GBP' }], stock: { onHand: 4 } },
    ]);
  });

  it('brings a product back into stock with a new variant', async () => {
    const product = await create({ variants: [{ sku: 'sold out', prices: [] }] });
    await patch(product.id, { variants: [{ sku: 'fresh', onHand: 1 }] });
    const found = await shop.request('GET', `/products?inStock=true&ids=${product.id}`);
    expect(found.body.data).toHaveLength(1);
  });

  it('keeps the version when nothing differs, and raises it when something does', async () => {
    const product = await create();
    const etag = (await shop.request('GET', `/products/${product.id}`)).headers.get('etag');
    const { sku } = product.variants[0];
    const same = {
      name: product.name,
      variants: [{ sku, options: {}, prices: [{ amount: 100, currency: 'GBP' }] }],
    };
    const unchanged = await patch(product.id, same);
    expect([unchanged.headers.get('etag'), unchanged.body.updatedAt]).toEqual([etag, product.updatedAt]);
    const repriced = await patch(product.id, {
      variants: [{ sku, prices: [{ amount: 101, currency: 'GBP' }] }],
    });
    expect(repriced.headers.get('etag')).not.toBe(etag);
  });

  it('refuses a stale If-Match, but not for stock that moved', async () => {
    const product = await create();
    const etag = (await shop.request('GET', `/products/${product.id}`)).headers.get('etag')!;
    await shop.request(
      'POST',
      `/products/${product.id}/variants/${encodeURIComponent(product.variants[0].sku)}/stock`,
      {
        token: staff,
        body: { delta: 1, reason: 'count' },
      },
    );
    expect((await patch(product.id, { name: 'First' }, { 'if-match': etag })).status).toBe(200);
    const late = await patch(product.id, { name: 'Second' }, { 'if-match': etag });
    expect([late.status, late.body.code]).toEqual([412, 'precondition_failed']);
    expect((await shop.request('GET', `/products/${product.id}`)).body.name).toBe('First');
  });

  it('refuses a slug or a sku of another product', async () => {
    const other = await create();
    const product = await create();
    const slug = await patch(product.id, { slug: other.slug });
    expect([slug.status, slug.body.code]).toEqual([409, 'slug_taken']);
    const sku = await patch(product.id, { name: 'Not this', variants: [{ sku: other.variants[0].sku }] });
    expect([sku.status, sku.body.code]).toEqual([409, 'sku_taken']);
    expect((await shop.request('GET', `/products/${product.id}`)).body).toEqual(product);
  });

  it('refuses stock of a known variant, unknown members and more variants than a product may have', async () => {
    const product = await create();
    const many = Array.from({ length: 100 }, (_, index) => ({ sku: `${product.id} ${index}` }));
    for (const body of [
      { variants: [{ sku: product.variants[0].sku, onHand: 9 }] },
      { price: 1 },
      { variants: many },
    ]) {
      const refused = await patch(product.id, body);
      expect([refused.status, refused.body.code]).toEqual([400, 'invalid_request']);
    }
  });

  it('answers 404 for an unknown product', async () => {
    expect((await patch(UNKNOWN, { name: 'X' })).status).toBe(404);
  });
});

describe('DELETE /products/{id}', () => {
  it('archives: no list shows it, its id still does, and it can be brought back', async () => {
    const product = await create({ name: 'Zanzibar' });
    const gone = await shop.request('DELETE', `/products/${product.id}`, { token: staff });
    expect([gone.status, gone.body]).toEqual([204, '']);
    expect((await shop.request('DELETE', `/products/${product.id}`, { token: staff })).status).toBe(204);
    expect((await shop.request('GET', '/products?q=zanzibar')).body.data).toEqual([]);
    expect((await shop.request('GET', `/products/${product.id}`)).body.status).toBe('archived');
    await shop.request('PATCH', `/products/${product.id}`, { token: staff, body: { status: 'active' } });
    expect((await shop.request('GET', '/products?q=zanzibar')).body.data).toHaveLength(1);
  });

  it('answers 404 for an unknown product, and 412 for a stale If-Match', async () => {
    expect((await shop.request('DELETE', `/products/${UNKNOWN}`, { token: staff })).status).toBe(404);
    const product = await create();
    const headers = { 'if-match': '"99.x"' };
    const stale = await shop.request('DELETE', `/products/${product.id}`, { token: staff, headers });
    expect(stale.status).toBe(412);
  });
});

describe('who may do it', () => {
  it('refuses customers on every route of the staff, and strangers before them', async () => {
    const path = `/products/${UNKNOWN}`;
    const routes: [string, string][] = [
      ['POST', '/products'],
      ['POST', '/products/import'],
      ['PATCH', path],
      ['DELETE', path],
      ['PUT', `${path}/variants/a/prices/GBP`],
      ['GET', `${path}/variants/a/prices`],
      ['POST', `${path}/variants/a/stock`],
      ['GET', `${path}/variants/a/stock`],
      ['GET', `/jobs/${UNKNOWN}`],
    ];
    for (const [method, route] of routes) {
      const lower = await shop.request(method, route, { token: customer });
      expect([method, route, lower.status]).toEqual([method, route, 403]);
      const stranger = await shop.request(method, route);
      expect([method, route, stranger.status]).toEqual([method, route, 401]);
    }
  });
});
