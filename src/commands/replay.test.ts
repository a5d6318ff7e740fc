import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadConfig } from '../config.ts';
import { costOf, smallCatalogue, smallTrade } from '../testing/small-trade.ts';
import { type ApiClient, createApiClient, ShopUnavailable } from './api-client.ts';
import { importCatalogue } from './import-catalogue.ts';
import { createProgress } from './progress.ts';
import { replayTrade } from './replay-trade.ts';
import { signIn } from './session.ts';
import { type OwnShop, startOwnShop } from './target-shop.ts';

const orders = smallTrade(12);
let dataDir: string;
let shop: OwnShop;

beforeAll(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'banyan-replay-'));
  const admin = { email: 'admin@example.com', password: 'correct horse battery' };
  const config = { ...loadConfig({ env: {} }), dataDir, admin };
  shop = await startOwnShop(config, pino({ level: 'silent' }));
});

afterAll(async () => {
  await shop?.stop();
  rmSync(dataDir, { recursive: true });
});

const client = () => createApiClient(shop.url, 10_000);
const replay = (trade = orders) =>
  replayTrade({ client: client(), orders: trade, currency: 'GBP', concurrency: 3 });

async function importText(csv: string) {
  const staff = await signIn(client(), shop.admin!);
  const progress = createProgress({ label: 'import', unit: 'lines' });
  return await importCatalogue(client(), staff, new Blob([csv]), progress);
}

test('a catalogue is imported, and a second time changes nothing', async () => {
  expect(await importText(smallCatalogue)).toMatchObject({ state: 'done', errors: [] });
  expect(await importText(smallCatalogue)).toMatchObject({ state: 'done', errors: [] });
  const { body } = await client().request('GET', '/products?sku=M');
  expect(body.data[0].variants).toMatchObject([{ sku: 'M', stock: { onHand: 100_000, available: 100_000 } }]);
});

test('lines that fail are named, and do not stop the rest', async () => {
  const job = await importText(
    'sku,name,price_minor,currency,on_hand\nBAD,Bad,much,GBP,1\nLATE,Late,5,GBP,1\n',
  );
  expect(job.errors).toMatchObject([{ line: 2 }]);
  expect((await client().request('GET', '/products?sku=LATE')).body.data).toHaveLength(1);
});

test('every order is paid once, however often its file is replayed', async () => {
  const first = await replay();
  expect(first.orders.filter((order) => order.fault !== undefined)).toEqual([]);
  expect(first.orders.filter((order) => order.replayed)).toEqual([]);
  expect(first.customers).toBe(4);
  expect(first.orders.reduce((total, order) => total + order.totalMinor, 0)).toBe(costOf(orders));

  const second = await replay();
  expect(second.orders.filter((order) => !order.replayed || order.fault !== undefined)).toEqual([]);
  const idsOf = (result: typeof first) =>
    new Map(result.orders.map((order) => [order.invoice, order.orderId]));
  expect(idsOf(second)).toEqual(idsOf(first));

  const admin = await signIn(client(), shop.admin!);
  const { body } = await client().request('GET', '/orders?limit=100', { token: await admin.token() });
  expect(body.data).toHaveLength(orders.length);
});

test('an order that cannot be placed is a fault, and the others go on', async () => {
  const { orders: results } = await replay([
    { invoice: 'X-1', customer: '17850', items: [{ sku: 'nowhere', quantity: 1 }] },
    { invoice: 'X-2', customer: '17850', items: [{ sku: 'M', quantity: 1_000_000 }] },
    { invoice: 'X-3', customer: '17850', items: [{ sku: 'M', quantity: 1 }] },
  ]);
  const faults = new Map(results.map((order) => [order.invoice, order.fault]));
  expect(faults.get('X-1')).toContain('unknown_sku');
  expect(faults.get('X-2')).toContain('insufficient_stock');
  expect(faults.get('X-3')).toBeUndefined();
});

test('once the shop is away for longer than the client waits, no further order is tried', async () => {
  let tries = 0;
  const present = client();
  const leaving: ApiClient = {
    async request(method, path, request) {
      if (method !== 'POST' || path !== '/orders') return await present.request(method, path, request);
      tries += 1;
      throw new ShopUnavailable('gone');
    },
  };
  const { orders: results } = await replayTrade({ client: leaving, orders, currency: 'GBP', concurrency: 1 });
  expect(tries).toBe(1);
  expect(results.map((order) => order.fault)).toEqual([
    'gone',
    ...orders.slice(1).map(() => 'not tried: the shop is away'),
  ]);
});

test('after all of it the audit is clean', async () => {
  const findings = [];
  for await (const finding of shop.audit()) findings.push(finding);
  expect(findings).toEqual([]);
});
