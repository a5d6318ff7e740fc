import { sql } from 'drizzle-orm';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { databaseConfig } from './testing/database.ts';
import { type ClockedDatabase, createClockedDatabase } from './testing/database-clock.ts';
import { startShop, type TestShop } from './testing/shop.ts';

let clocked: ClockedDatabase;
let shop: TestShop;
let customer: { userId: string; token: string };
let productId: string;

beforeEach(async () => {
  clocked = await createClockedDatabase();
  shop = await startShop({ config: { database: databaseConfig(clocked.url) } });
  const staff = await shop.signUp('staff');
  customer = await shop.signUp();
  const variants = [{ sku: 'A', prices: [{ amount: 100, currency: 'GBP' }], onHand: 10 }];
  const made = await shop.request('POST', '/products', {
    token: staff.token,
    body: { name: 'Aged', variants },
  });
  productId = made.body.id;
});
afterEach(async () => {
  await shop.stop();
  await clocked.drop();
});

function place(key: string, payment?: object) {
  const body = { items: [{ sku: 'A', quantity: 4 }], currency: 'GBP', ...(payment && { payment }) };
  return shop.request('POST', '/orders', {
    token: customer.token,
    headers: { 'idempotency-key': key },
    body,
  });
}

const card = { method: 'card', token: 'tok_ok' };
const seconds = { timeout: 20_000, interval: 50 };
const available = async () => {
  const { body } = await shop.request('GET', `/products?ids=${productId}`);
  return body.data[0].variants[0].stock.available;
};

test('a key gives its answer again for 24 hours, and then is free for another order', async () => {
  const first = await place('k', card);
  await clocked.setAhead('23 hours 59 minutes');
  const repeat = await place('k', card);
  expect(repeat.headers.get('idempotency-replayed')).toBe('true');
  expect(repeat.body.id).toBe(first.body.id);

  await clocked.setAhead('24 hours 1 minute');
  const later = await place('k', card);
  expect(later.status).toBe(201);
  expect(later.body.id).not.toBe(first.body.id);
});

test('a family of refresh tokens lives for 30 days from its last use, and a spent token ends it at any age', async () => {
  const account = { email: 'old@example.com', username: 'old', password: 'a long enough password' };
  await shop.request('POST', '/users', { body: account });
  const { username: _, ...credentials } = account;
  const logIn = async () =>
    (await shop.request('POST', '/auth/login', { body: credentials })).body.refreshToken;
  const refresh = (refreshToken: string) => shop.request('POST', '/auth/refresh', { body: { refreshToken } });

  const first = await logIn();
  await clocked.setAhead('29 days');
  const second = await refresh(first);
  expect(second.status).toBe(200);
  await clocked.setAhead('58 days');
  const third = await refresh(second.body.refreshToken);
  expect(third.status).toBe(200);
  expect((await refresh(second.body.refreshToken)).status).toBe(401);
  expect((await refresh(third.body.refreshToken)).status).toBe(401);

  await clocked.setAhead('0');
  const unused = await logIn();
  await clocked.setAhead('30 days 1 minute');
  expect((await refresh(unused)).status).toBe(401);
});

test('an order that nobody paid is cancelled after 15 minutes, and its stock is free again', async () => {
  const { body } = await place('unpaid');
  expect(body.status).toBe('awaiting_payment');
  const status = async () =>
    (await shop.request('GET', `/orders/${body.id}`, { token: customer.token })).body.status;
  await clocked.setAhead('14 minutes');
  expect(await available()).toBe(6);
  expect(await status()).toBe('awaiting_payment');
  await clocked.setAhead('16 minutes');
  await expect.poll(status, seconds).toBe('cancelled');
  await expect.poll(available, seconds).toBe(10);
});

test('a reservation that is not pinned expires, and a pinned one stays', async () => {
  const product = shop.shop.modules.find(({ name }) => name === 'product');
  const { reserve } = product!.api as { reserve: (reservation: object) => Promise<unknown> };
  const reservation = { lines: [{ sku: 'A', quantity: 3 }], expiresInMs: 60_000 };
  const [loose, pinned] = ['0199a000-0000-7000-8000-000000000001', '0199a000-0000-7000-8000-000000000002'];
  await reserve({ ...reservation, orderId: loose, pinned: false });
  await reserve({ ...reservation, orderId: pinned, pinned: true });
  expect(await available()).toBe(4);
  await clocked.setAhead('2 minutes');
  await expect.poll(available, seconds).toBe(7);
  await clocked.setAhead('2 days');
  await expect.poll(available, seconds).toBe(7);
});

test('schedules come due by the clock of the database: a worker that looks then clears away what is old', async () => {
  await place('old', card);
  await shop.settled();
  const orders = shop.database('order');
  const counts = async () => {
    const [row] = await orders.rows<{ keys: number; events: number; sagas: number }>(sql`
      select (select count(*) from orders.idempotency) as keys, (select count(*) from orders.outbox) as events,
        (select count(*) from orders.saga) as sagas`);
    return row;
  };
  expect(await counts()).toEqual({ keys: 1, events: 1, sagas: 1 });
  const another = () => startShop({ config: { database: databaseConfig(clocked.url) } });
  await clocked.setAhead('31 days');
  const late = await another();
  await expect.poll(counts, seconds).toEqual({ keys: 0, events: 0, sagas: 0 });
  await late.stop();
});
