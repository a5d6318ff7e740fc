import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openPostgres, type PostgresEngine } from './database/postgres.ts';
import { databaseConfig } from './testing/database.ts';
import { startShop, type TestShop } from './testing/shop.ts';
import { startTcpProxy, type TcpProxy } from './testing/tcp-proxy.ts';
import { createTestDatabase, type TestDatabase } from './testing/test-database.ts';
import { scrape } from './testing/told-metrics.ts';

/** More than a second, after which a loop that has nothing to do looks again. */
const STUCK_MS = 3_000;
/** Connections of each module: a twenty for five. */
const EACH = 4;
let made: TestDatabase;
let direct: PostgresEngine;
let serverPort: number;
let proxy: TcpProxy;
let shop: TestShop;

beforeAll(async () => {
  made = await createTestDatabase();
  direct = openPostgres({ url: made.url, prepare: true, applicationName: 'banyan test' }, 1);
  const url = new URL(made.url);
  serverPort = Number(url.port || 5432);
  proxy = await startTcpProxy(serverPort);
  url.hostname = '127.0.0.1';
  url.port = String(proxy.port);
  shop = await startShop({ stuckMs: STUCK_MS, config: { database: databaseConfig(url.href) } });
});
afterAll(async () => {
  await shop?.stop();
  await proxy?.close();
  await direct.close();
  await made.drop();
});

async function problems(): Promise<readonly string[]> {
  const { status, body } = await shop.request('GET', '/readyz');
  return status === 200 ? [] : body.problems;
}

/** The metrics that a scrape tells now; its answer does not wait for what is away. */
async function told(): Promise<Set<string>> {
  return new Set((await scrape(shop.shop.opsApp)).map(({ name }) => name));
}

const within = { timeout: 30_000, interval: 100 };
const BACKLOG = ['banyan_outbox_pending', 'banyan_outbox_oldest_seconds', 'banyan_sagas_open'];

it('a pool whose connections are all held makes the process not ready until one comes back', async () => {
  const lock = sql`select pg_advisory_xact_lock(42)`;
  const locked = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  const holder = direct.database('public').transaction(async (tx) => {
    await tx.rows(lock);
    locked.resolve();
    await gate.promise;
  });
  await locked.promise;
  const held = Array.from({ length: EACH }, () => shop.database('order').rows(lock));
  const all = Promise.allSettled(held);
  await expect.poll(problems, within).toContain('database pool of order is stuck');
  gate.resolve();
  await Promise.all([holder, all]);
  await expect.poll(problems, within).toEqual([]);
});

it('a database that is away makes the process not ready, and its backlog is left out of scrapes', async () => {
  expect([...(await told())]).toEqual(expect.arrayContaining(BACKLOG));
  await proxy.close();
  await expect.poll(problems, within).not.toEqual([]);
  const toldOfBacklog = async () => {
    const names = await told();
    return BACKLOG.filter((name) => names.has(name));
  };
  await expect.poll(toldOfBacklog, within).toEqual([]);
  expect(await told()).toContain('banyan_database_connections');
  proxy = await startTcpProxy(serverPort, proxy.port);
  await expect.poll(problems, within).toEqual([]);
  await expect.poll(toldOfBacklog, within).toEqual(BACKLOG);
});
