import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startShop, type TestShop } from '#platform/testing/shop';
import { productModule } from './module.ts';

let shop: TestShop;
let staff: string;
let productId: string;
let counter = 0;

const UNKNOWN = '01890000-0000-7000-8000-000000000000';

beforeAll(async () => {
  shop = await startShop({ modules: [productModule] });
  staff = (await shop.signUp('staff')).token;
  const body = { name: 'Shelf', variants: [{ sku: 'first', prices: [] }] };
  productId = (await shop.request('POST', '/products', { token: staff, body })).body.id;
});

afterAll(() => shop.stop());

/** The path of a new variant, whose sku needs escaping. */
async function variantPath(onHand = 0): Promise<string> {
  counter += 1;
  const sku = `a/b c%${counter}`;
  await shop.request('PATCH', `/products/${productId}`, {
    token: staff,
    body: { variants: [{ sku, onHand }] },
  });
  return `/products/${productId}/variants/${encodeURIComponent(sku)}`;
}

async function productEtag(): Promise<string> {
  return (await shop.request('GET', `/products/${productId}`)).headers.get('etag')!;
}

describe('PUT .../prices/{currency}', () => {
  it('sets the price and keeps every price there was, newest first', async () => {
    const path = await variantPath();
    for (const [currency, amount] of [
      ['GBP', 100],
      ['EUR', 120],
      ['GBP', 90],
    ]) {
      const set = await shop.request('PUT', `${path}/prices/${currency}`, { token: staff, body: { amount } });
      expect([set.status, set.body]).toEqual([200, { amount, currency }]);
    }
    const history = await shop.request('GET', `${path}/prices`, { token: staff });
    expect(history.body).toMatchObject({
      data: [
        { amount: 90, currency: 'GBP' },
        { amount: 120, currency: 'EUR' },
        { amount: 100, currency: 'GBP' },
      ],
      nextCursor: null,
    });
    expect(history.body.data[0].at).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  });

  it('raises the version once: the same price again changes nothing and leaves no history', async () => {
    const path = await variantPath();
    const before = await productEtag();
    await shop.request('PUT', `${path}/prices/GBP`, { token: staff, body: { amount: 5 } });
    const after = await productEtag();
    expect(after.split('.')[0]).not.toBe(before.split('.')[0]);
    await shop.request('PUT', `${path}/prices/GBP`, { token: staff, body: { amount: 5 } });
    expect(await productEtag()).toBe(after);
    const history = await shop.request('GET', `${path}/prices`, { token: staff });
    expect(history.body.data).toHaveLength(1);
  });

  it('refuses a stale If-Match', async () => {
    const path = await variantPath();
    const headers = { 'if-match': await productEtag() };
    const body = { amount: 1 };
    const first = await shop.request('PUT', `${path}/prices/GBP`, { token: staff, body, headers });
    expect(first.status).toBe(200);
    const late = await shop.request('PUT', `${path}/prices/GBP`, {
      token: staff,
      body: { amount: 2 },
      headers,
    });
    expect([late.status, late.body.code]).toEqual([412, 'precondition_failed']);
  });

  it('refuses amounts that are none, and unknown members', async () => {
    const path = await variantPath();
    for (const body of [
      { amount: -1 },
      { amount: 1.5 },
      { amount: 2 ** 53 },
      { amount: '1' },
      {},
      { amount: 1, currency: 'GBP' },
    ]) {
      const refused = await shop.request('PUT', `${path}/prices/GBP`, { token: staff, body });
      expect([refused.status, refused.body.code]).toEqual([400, 'invalid_request']);
    }
  });

  it('answers 404 for a currency, sku or product that there is not', async () => {
    const path = await variantPath();
    const paths = [
      `${path}/prices/GBX`,
      `/products/${productId}/variants/none/prices/GBP`,
      `/products/${UNKNOWN}/variants/first/prices/GBP`,
    ];
    for (const missing of paths) {
      expect((await shop.request('PUT', missing, { token: staff, body: { amount: 1 } })).status).toBe(404);
    }
    expect(
      (await shop.request('GET', `/products/${UNKNOWN}/variants/first/prices`, { token: staff })).status,
    ).toBe(404);
  });
});

describe('POST .../stock', () => {
  const move = (path: string, body: unknown, headers = {}) =>
    shop.request('POST', `${path}/stock`, { token: staff, body, headers });

  it('moves stock and writes the ledger, newest first and in pages', async () => {
    const path = await variantPath(10);
    const added = await move(path, { delta: 5, reason: 'delivery' });
    expect([added.status, added.body]).toMatchObject([
      201,
      { delta: 5, reason: 'delivery', onHand: 15, orderId: null, sku: `a/b c%${counter}` },
    ]);
    const taken = await move(path, { delta: -15, reason: 'broken' });
    expect(taken.body.onHand).toBe(0);
    const first = await shop.request('GET', `${path}/stock?limit=1`, { token: staff });
    expect(first.body.data).toEqual([taken.body]);
    const cursor = first.body.nextCursor;
    const second = await shop.request('GET', `${path}/stock?limit=1&cursor=${cursor}`, { token: staff });
    expect(second.body).toEqual({ data: [added.body], nextCursor: null });
    const elsewhere = await shop.request('GET', `${path}/prices?cursor=${cursor}`, { token: staff });
    expect(elsewhere.status).toBe(400);
  });

  it('refuses to leave less than nothing, and tells what there is', async () => {
    const path = await variantPath(3);
    const refused = await move(path, { delta: -4, reason: 'count' });
    expect([refused.status, refused.body.code]).toEqual([409, 'insufficient_stock']);
    expect(refused.body.items).toEqual([{ sku: `a/b c%${counter}`, requested: 4, available: 3 }]);
    const ledger = await shop.request('GET', `${path}/stock`, { token: staff });
    expect(ledger.body.data).toEqual([]);
  });

  it('moves once for one idempotency key', async () => {
    const path = await variantPath();
    const headers = { 'idempotency-key': 'move-once' };
    const first = await move(path, { delta: 2, reason: 'delivery' }, headers);
    const again = await move(path, { delta: 2, reason: 'delivery' }, headers);
    expect(again.body).toEqual(first.body);
    const ledger = await shop.request('GET', `${path}/stock`, { token: staff });
    expect(ledger.body.data).toHaveLength(1);
  });

  it('refuses movements that are none, and unknown members', async () => {
    const path = await variantPath(3);
    const bodies = [
      { delta: 0, reason: 'x' },
      { delta: 1.5, reason: 'x' },
      { delta: 1_000_000_001, reason: 'x' },
      { delta: 1 },
      { delta: 1, reason: '' },
      { delta: 1, reason: 'x', orderId: UNKNOWN },
    ];
    for (const body of bodies) {
      const refused = await move(path, body);
      expect([refused.status, refused.body.code]).toEqual([400, 'invalid_request']);
    }
  });

  it('answers 404 for a sku or product that there is not', async () => {
    for (const path of [`/products/${productId}/variants/none`, `/products/${UNKNOWN}/variants/first`]) {
      expect((await move(path, { delta: 1, reason: 'x' })).status).toBe(404);
      expect((await shop.request('GET', `${path}/stock`, { token: staff })).status).toBe(404);
    }
  });
});

describe('GET /jobs/{id}', () => {
  it('answers 404 for a job that there is not', async () => {
    for (const id of [UNKNOWN, 'nonsense']) {
      expect((await shop.request('GET', `/jobs/${id}`, { token: staff })).status).toBe(404);
    }
  });
});
