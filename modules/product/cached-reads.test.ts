import { sql } from 'drizzle-orm';
import { uuidv7 } from 'uuidv7';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import type { Api } from '#platform/rpc/contract';
import { startShop, type TestShop } from '#platform/testing/shop';
import { productContract } from './contract.ts';
import { productModule } from './module.ts';
import { paidEvent } from './testing-catalogue.ts';

// Each test reads the product, changes it by one way, and reads it again at once: a way that forgets to tell the
// cache shows the figures from before.

const HOUR_MS = 3_600_000;

let shop: TestShop;
let product: Api<typeof productContract>;
let staff: string;
let id: string;
let sku: string;

beforeAll(async () => {
  shop = await startShop({ modules: [productModule] });
  await shop.shop.start({ listen: false });
  product = shop.api(productContract);
  staff = (await shop.signUp('staff')).token;
});
afterAll(() => shop.stop());

beforeEach(async () => {
  sku = `sku-${uuidv7()}`;
  const variants = [{ sku, prices: [{ amount: 100, currency: 'GBP' }], onHand: 5 }];
  const made = await shop.request('POST', '/products', {
    token: staff,
    body: { name: 'Mug', variants },
    headers: { 'idempotency-key': uuidv7() },
  });
  id = made.body.id;
  await read();
});

async function read() {
  const { body, headers } = await shop.request('GET', `/products/${id}`);
  const { onHand, reserved } = body.variants[0].stock;
  return {
    body,
    etag: headers.get('etag')!,
    price: body.variants[0].prices[0].amount,
    stock: [onHand, reserved],
  };
}

async function reserve(pinned = true): Promise<string> {
  const orderId = uuidv7();
  const lines = [{ sku, quantity: 2 }];
  await product.reserve({ orderId, lines, pinned, expiresInMs: HOUR_MS });
  return orderId;
}

function hosted() {
  return shop.shop.modules.find((module) => module.name === 'product')!;
}

async function pay(orderId: string): Promise<void> {
  await hosted().consume(paidEvent(orderId));
}

it('shows a new name, and a read with the old tag gets the new body', async () => {
  const before = await read();
  await shop.request('PATCH', `/products/${id}`, { token: staff, body: { name: 'Cup' } });
  const headers = { 'if-none-match': before.etag };
  const after = await shop.request('GET', `/products/${id}`, { headers });
  expect([after.status, after.body.name]).toEqual([200, 'Cup']);
});

it('answers 304 to whoever has the cached body', async () => {
  const { etag } = await read();
  const headers = { 'if-none-match': etag };
  expect((await shop.request('GET', `/products/${id}`, { headers })).status).toBe(304);
});

it('shows new options and a new variant', async () => {
  const variants = [{ sku, options: { size: 'L' } }, { sku: `${sku}-2` }];
  await shop.request('PATCH', `/products/${id}`, { token: staff, body: { variants } });
  expect((await read()).body.variants).toMatchObject(variants);
});

it('shows a new price', async () => {
  await shop.request('PUT', `/products/${id}/variants/${sku}/prices/GBP`, {
    token: staff,
    body: { amount: 250 },
  });
  expect((await read()).price).toBe(250);
});

it('shows that it was archived', async () => {
  await shop.request('DELETE', `/products/${id}`, { token: staff });
  expect((await read()).body.status).toBe('archived');
});

it('shows what an import changed', async () => {
  const raw = `sku,name,price_minor,currency,on_hand\n${sku},Imported,300,GBP,1\n`;
  const headers = { 'content-type': 'text/csv' };
  await shop.request('POST', '/products/import', { token: staff, raw, headers });
  await shop.settled();
  expect(await read()).toMatchObject({ price: 300, body: { name: 'Imported' } });
});

it('shows stock that was adjusted', async () => {
  await shop.request('POST', `/products/${id}/variants/${sku}/stock`, {
    token: staff,
    body: { delta: 7, reason: 'delivery' },
    headers: { 'idempotency-key': uuidv7() },
  });
  expect((await read()).stock).toEqual([12, 0]);
});

it('shows a reservation, its sale, and its return', async () => {
  const orderId = await reserve();
  expect((await read()).stock).toEqual([5, 2]);
  await pay(orderId);
  expect((await read()).stock).toEqual([3, 0]);
  await product.release({ orderId });
  expect((await read()).stock).toEqual([5, 0]);
});

it('shows a reservation that was released', async () => {
  const orderId = await reserve();
  expect((await read()).stock).toEqual([5, 2]);
  await product.release({ orderId });
  expect((await read()).stock).toEqual([5, 0]);
});

it('shows a reservation that has expired', async () => {
  const orderId = await reserve(false);
  expect((await read()).stock).toEqual([5, 2]);
  await hosted().database.rows(sql`
    update products.reservation set expires_at = now() - interval '1 second' where order_id = ${orderId}::uuid`);
  const sweep = hosted().parts.schedules?.find((schedule) => schedule.name === 'expire-reservations');
  await sweep?.run();
  expect((await read()).stock).toEqual([5, 0]);
});
