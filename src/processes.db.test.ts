import { mkdtemp, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { removeShop, startShop, type TestShop } from './testing/shop.ts';
import { testRedis } from './testing/test-database.ts';

/**
 * One shop in four processes, as far as the shop can tell: two that answer requests and two that work, which share
 * a database, a Redis and a folder, and no memory that matters.
 */
let folder: string;
let doors: TestShop[];
let workers: TestShop[];
let staff: { userId: string; token: string };
let customer: { userId: string; token: string };
let productId: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'banyan-processes-'));
  const { url: redisUrl } = testRedis();
  const start = (role: 'http' | 'worker') =>
    startShop({ dataDir: folder, config: { roles: [role], redisUrl } });
  doors = [await start('http'), await start('http')];
  workers = [await start('worker'), await start('worker')];
  staff = await doors[0]!.signUp('staff');
  customer = await doors[1]!.signUp();
  const variants = [{ sku: 'A', prices: [{ amount: 100, currency: 'GBP' }], onHand: 1_000 }];
  const made = await doors[0]!.request('POST', '/products', {
    token: staff.token,
    body: { name: 'Shared', variants },
  });
  productId = made.body.id;
});
afterAll(async () => {
  for (const shop of [...workers, ...doors]) await shop.stop();
  await removeShop(folder);
});

const seconds = { timeout: 30_000, interval: 50 };

function place(door: TestShop, key: string, token = 'tok_ok') {
  return door.request('POST', '/orders', {
    token: customer.token,
    headers: { 'idempotency-key': key, prefer: 'wait=30' },
    body: { items: [{ sku: 'A', quantity: 1 }], currency: 'GBP', payment: { method: 'card', token } },
  });
}

test('all of them reach Redis', async () => {
  for (const shop of [...doors, ...workers]) {
    await expect.poll(async () => (await shop.request('GET', '/health')).body.redis, seconds).toBe('up');
  }
});

test('orders placed at either door are sold and told of once, by whichever worker', async () => {
  const orders = await Promise.all(
    Array.from({ length: 20 }, (_, index) => place(doors[index % 2]!, `many-${index}`)),
  );
  expect(orders.map(({ status, body }) => [status, body.status])).toEqual(orders.map(() => [201, 'paid']));
  const letters = async () => (await readdir(join(folder, 'mail')).catch(() => [])).length;
  await expect.poll(letters, seconds).toBe(20);
  await doors[0]!.settled();
  const [sold] = await doors[0]!
    .database('product')
    .rows<{ onHand: number; reserved: number }>(
      sql`select on_hand as "onHand", reserved from products.stock`,
    );
  expect(sold).toEqual({ onHand: 980, reserved: 0 });
});

test('a repeat at the other door gets the same order', async () => {
  const first = await place(doors[0]!, 'same');
  const repeat = await place(doors[1]!, 'same');
  expect(repeat.headers.get('idempotency-replayed')).toBe('true');
  expect(repeat.body).toEqual(first.body);
});

test('a payment that comes by webhook ends an order that waits at a door', async () => {
  const accepted = await place(doors[0]!, 'later', 'tok_later');
  const ended = await place(doors[1]!, 'later', 'tok_later');
  expect([accepted.body.status, ended.body.status]).toContain('paid');
  expect(ended.body.id).toBe(accepted.body.id);
});

test('a price set at one door is what the other one shows, within its second', async () => {
  const path = `/products/${productId}`;
  const shown = async () => (await doors[1]!.request('GET', path)).body.variants[0].prices[0].amount;
  expect(await shown()).toBe(100);
  await doors[0]!.request('PUT', `${path}/variants/A/prices/GBP`, {
    token: staff.token,
    body: { amount: 150 },
  });
  await expect.poll(shown, { timeout: 1_000, interval: 10 }).toBe(150);
});

test('a file taken in at a door is applied once, though both workers are told', async () => {
  const csv = ['sku,name,price_minor,currency,on_hand', 'NEW-1,New one,5,GBP,7', 'NEW-2,New two,6,GBP,8', ''];
  const accepted = await doors[1]!.request('POST', '/products/import', {
    token: staff.token,
    headers: { 'content-type': 'text/csv' },
    raw: csv.join('\n'),
  });
  expect(accepted.status).toBe(202);
  const job = async () =>
    (await doors[0]!.request('GET', `/jobs/${accepted.body.id}`, { token: staff.token })).body;
  await expect.poll(async () => (await job()).state, seconds).toBe('done');
  expect(await job()).toMatchObject({ done: 2, total: 2, errors: [] });
  const runs = await doors[0]!
    .database('product')
    .rows<{ fence: number }>(sql`select fence from products.job where id = ${accepted.body.id}::uuid`);
  expect(runs).toEqual([{ fence: 1 }]);
});

test('both doors count one client together', async () => {
  const guess = (door: TestShop, index: number) =>
    door.request('POST', '/auth/login', {
      body: { email: 'nobody@example.com', password: `guess ${index}` },
    });
  const statuses: number[] = [];
  for (let index = 0; index < 12; index += 1) {
    statuses.push((await guess(doors[index % 2]!, index)).status);
  }
  // Five are free in all, and not five at each door.
  expect(statuses.filter((status) => status === 401).length).toBeLessThanOrEqual(7);
  expect(statuses).toContain(429);
});

test('what they wrote together breaks no invariant', async () => {
  await doors[0]!.settled();
  const findings = [];
  for await (const finding of doors[0]!.shop.audit()) findings.push(finding);
  expect(findings).toEqual([]);
});
