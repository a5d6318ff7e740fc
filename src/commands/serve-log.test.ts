import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { smallCatalogue, smallTrade } from '../testing/small-trade.ts';
import { runBanyan, type ShopProcess, spawnShop } from '../testing/spawn-banyan.ts';

const ORDERS = 40;
const admin = { email: 'olive.oak@example.com', password: 'quite-a-long-secret' };

let folder: string;
let shop: ShopProcess;
/** Every secret and every piece of personal data that was sent to the shop, or came from it. */
const secrets = new Set<string>(Object.values(admin));

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'banyan-log-'));
  shop = await spawnShop(join(folder, 'data'), {
    LOG_LEVEL: 'trace',
    RATE_LIMIT: 'off',
    ADMIN_EMAIL: admin.email,
    ADMIN_PASSWORD: admin.password,
  });
});

afterAll(() => {
  shop?.child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

async function send(method: string, path: string, body: object | string, token?: string): Promise<Response> {
  return await fetch(`${shop.control.url}/api/v1${path}`, {
    method,
    headers: {
      'content-type': 'application/json',
      'idempotency-key': `key-${Math.random()}`,
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
}

/** The lines that are JSON: what it tells the person who started it is meant for that person. */
function logged(): Record<string, unknown>[] {
  const lines = shop.output().split('\n');
  return lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));
}

async function signIn(person: { email: string; password: string }): Promise<string> {
  const answer = await send('POST', '/auth/login', person);
  const { accessToken, refreshToken } = (await answer.json()) as Record<string, string>;
  secrets.add(accessToken!).add(refreshToken!);
  return accessToken!;
}

test('a replay and everything that can go wrong leave no secret and nobody in the log', async () => {
  const catalogue = join(folder, 'catalogue.csv');
  const orders = join(folder, 'orders.ndjson');
  writeFileSync(catalogue, smallCatalogue);
  writeFileSync(
    orders,
    smallTrade(ORDERS)
      .map((order) => `${JSON.stringify(order)}\n`)
      .join(''),
  );
  const dataDir = ['--data-dir', join(folder, 'data')];
  const importer = ['--email', admin.email, '--password', admin.password];
  expect(await runBanyan(['import', catalogue, ...importer, ...dataDir])).toMatchObject({ code: 0 });
  expect(await runBanyan(['replay', orders, ...dataDir])).toMatchObject({ code: 0 });

  const person = { email: 'willow.ash@example.com', username: 'willow_ash', password: 'birch-and-hazel-9' };
  const shippingAddress = {
    name: 'Willow Ash',
    line1: '7 Elm Street',
    city: 'Treeton',
    postalCode: 'TR33 1AA',
  };
  for (const value of [...Object.values(person), ...Object.values(shippingAddress)]) secrets.add(value);
  expect((await send('POST', '/users', person)).status).toBe(201);
  expect((await send('POST', '/users', person)).status).toBe(409);
  expect((await send('POST', '/users', { ...person, role: 'admin' })).status).toBe(400);
  expect((await send('POST', '/users', `{"email": "${person.email}`)).status).toBe(400);
  expect((await send('POST', '/auth/login', { ...person, username: undefined })).status).toBe(200);
  expect((await send('POST', '/auth/login', { email: person.email, password: 'wrong-wrong' })).status).toBe(
    401,
  );
  const token = await signIn({ email: person.email, password: person.password });
  for (const card of ['tok_ok', 'tok_declined', 'tok_timeout', 'tok_flaky', 'tok_later', 'tok_unheard_of']) {
    secrets.add(card);
    const items = [{ sku: 'M', quantity: 1 }];
    const payment = { method: 'card', token: card };
    const answer = await send('POST', '/orders', { items, currency: 'GBP', payment, shippingAddress }, token);
    expect(answer.status).toBeLessThan(500);
  }
  const staff = await signIn(admin);
  expect(
    (await send('GET', `/users?email=${person.email}`, '', `${token}x`).catch(() => undefined))?.status,
  ).not.toBe(200);
  const { id } = (await (
    await fetch(`${shop.control.url}/api/v1/users/me`, { headers: { authorization: `Bearer ${token}` } })
  ).json()) as { id: string };
  expect(
    (
      await fetch(`${shop.control.url}/api/v1/users/${id}`, {
        method: 'DELETE',
        headers: { authorization: `Bearer ${staff}` },
      })
    ).status,
  ).toBe(204);

  await expect.poll(() => logged().filter(({ msg }) => msg === 'request').length).toBeGreaterThan(ORDERS);
  const text = logged()
    .map((line) => JSON.stringify(line))
    .join('\n');
  expect([...secrets].filter((secret) => text.includes(secret))).toEqual([]);
  // Of the replayed customers as well, whose addresses the command makes up.
  expect(text).not.toMatch(/@|eyJ|Bearer [^[]/);
});

test('lines about an order name it, with its request and its trace', async () => {
  const placed = logged().filter(
    ({ msg, route, status }) => msg === 'request' && route === '/api/v1/orders' && status === 201,
  );
  expect(placed.length).toBeGreaterThan(ORDERS);
  for (const line of placed) {
    expect(line).toMatchObject({
      orderId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      requestId: expect.any(String),
      traceId: expect.stringMatching(/^[0-9a-f]{32}$/),
      userId: expect.any(String),
    });
  }
  expect(new Set(placed.map(({ orderId }) => orderId)).size).toBe(placed.length);
});

test('SIGUSR2 turns a detailed log on, and off again', async () => {
  const levels = () => logged().filter(({ msg }) => msg === 'SIGUSR2: the log level has changed');
  shop.child.kill('SIGUSR2');
  await expect.poll(levels).toMatchObject([{ logLevel: 'debug' }]);
  shop.child.kill('SIGUSR2');
  await expect.poll(levels).toMatchObject([{ logLevel: 'debug' }, { logLevel: 'trace' }]);
});
