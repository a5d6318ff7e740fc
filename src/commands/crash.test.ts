import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { sleep } from '../deadline.ts';
import { createRandom } from '../testing/random.ts';
import { costOf, smallCatalogue, smallTrade } from '../testing/small-trade.ts';
import { type ShopProcess, spawnShop } from '../testing/spawn-banyan.ts';
import { createApiClient } from './api-client.ts';
import { findRunningShop } from './control-client.ts';
import { importCatalogue } from './import-catalogue.ts';
import { createProgress } from './progress.ts';
import { type OrderResult, replayTrade } from './replay-trade.ts';
import { signIn } from './session.ts';

const orders = smallTrade(60);
const admin = { email: 'admin@example.com', password: 'correct horse battery' };
const env = {
  ADMIN_EMAIL: admin.email,
  ADMIN_PASSWORD: admin.password,
  RATE_LIMIT: 'off',
  LOG_LEVEL: 'warn',
};
const SEED = Number(process.env.CRASH_SEED ?? 20_101_201);

let dataDir: string;
let shop: ShopProcess | undefined;

beforeAll(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'banyan-crash-'));
});

afterAll(() => {
  shop?.child.kill('SIGKILL');
  rmSync(dataDir, { recursive: true, force: true });
});

/** Replays with no patience for a dead shop, and kills it some milliseconds after so many orders. */
async function replayUntilKilled(running: ShopProcess, afterOrders: number, afterMs: number) {
  let killing: Promise<unknown> | undefined;
  const result = await replayTrade({
    client: createApiClient(running.control.url, 0),
    orders,
    currency: 'GBP',
    concurrency: 4,
    startTrading: () => ({
      update(done) {
        if (done >= afterOrders) killing ??= sleep(afterMs).then(() => running.end('SIGKILL'));
      },
      finish: () => undefined,
    }),
  });
  await killing;
  return result.orders;
}

test(`kill -9 amid orders loses none, places none twice and charges none twice (seed ${SEED})`, async () => {
  const random = createRandom(SEED);
  const acknowledged = new Map<string, string>();
  const remember = (results: readonly OrderResult[]) => {
    for (const { invoice, orderId, fault } of results) {
      if (fault !== undefined || orderId === undefined) continue;
      expect(acknowledged.get(invoice) ?? orderId, `the id of ${invoice}`).toBe(orderId);
      acknowledged.set(invoice, orderId);
    }
  };

  shop = await spawnShop(dataDir, env);
  const client = createApiClient(shop.control.url, 10_000);
  const catalogue = new Blob([smallCatalogue]);
  const progress = createProgress({ label: 'import', unit: 'lines' });
  await importCatalogue(client, await signIn(client, admin), catalogue, progress);

  for (let kill = 0; kill < 3; kill += 1) {
    // Each run gets past what the earlier ones have placed, and dies among new orders.
    const afterOrders = kill * 18 + 1 + Math.floor(random() * 16);
    remember(await replayUntilKilled(shop, afterOrders, Math.floor(random() * 20)));
    expect(shop.child.signalCode).toBe('SIGKILL');
    shop = await spawnShop(dataDir, env);
  }
  expect(acknowledged.size).toBeLessThan(orders.length);

  const survivor = createApiClient(shop.control.url, 10_000);
  const { orders: results } = await replayTrade({
    client: survivor,
    orders,
    currency: 'GBP',
    concurrency: 4,
  });
  expect(results.filter((order) => order.fault !== undefined)).toEqual([]);
  remember(results);
  expect(new Set(acknowledged.values()).size).toBe(orders.length);

  const staff = await signIn(survivor, admin);
  const page = await survivor.request('GET', '/orders?limit=100', { token: await staff.token() });
  const placed: { id: string; status: string; total: { amount: number } }[] = page.body.data;
  expect(new Set(placed.map((order) => order.id))).toEqual(new Set(acknowledged.values()));
  expect(placed.every((order) => order.status === 'paid')).toBe(true);
  expect(placed.reduce((total, order) => total + order.total.amount, 0)).toBe(costOf(orders));

  // I2 holds each order's total against the provider's own ledger, so it sees a second charge.
  const findings = [];
  for await (const finding of (await findRunningShop(dataDir))!.audit()) findings.push(finding);
  expect(findings).toEqual([]);
  expect(await shop.end('SIGTERM')).toBe(0);
}, 180_000);
