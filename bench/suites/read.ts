import { createApiClient } from '../../src/commands/api-client.ts';
import { usageOf } from '../about.ts';
import { fillCatalogue, skuOf } from '../catalogue.ts';
import { figure, inTurn } from '../in-turn.ts';
import { startLimit } from '../limits/start-limit.ts';
import { type Load, startLoad } from '../load/load.ts';
import { profiled } from '../profile.ts';
import { type Servers, type Shop, startServers, startShop } from '../stack.ts';
import type { Bench, Figure, Suite } from '../suite.ts';

const PRODUCTS = 100_000;
const CLIENTS = 32;
const PATIENCE_MS = 30_000;
const WARM_UP_SECONDS = 1;
const PAGE = 20;
const DEEP_PAGE = 1_000;

export const readSuite: Suite = {
  name: 'read',
  about: 'a product by id, hot and cold; a list of 20 at page 1 and 1,000; a search; at 100,000 products',
  run,
};

async function run(bench: Bench): Promise<Figure[]> {
  bench.note('read', { products: PRODUCTS, clients: CLIENTS });
  const servers = await startServers(bench);
  const databaseUrl = await servers.createDatabase('shop');
  const shop = await startShop(bench, servers, databaseUrl);
  await fillCatalogue(bench, shop, PRODUCTS);
  await servers.query(databaseUrl, (sql) => sql`vacuum analyze`);
  const bare = await startLimit(bench, 'bare.ts');
  const limitUrl = await servers.createDatabase('one_read');
  const oneRead = await startLimit(bench, 'one-read.ts', limitUrl, String(PRODUCTS));
  const ids = await servers.query(
    databaseUrl,
    (sql) => sql<{ id: string }[]>`select id from products.product`,
  );
  const load = startLoad(bench);
  const read = reader(bench, servers, load);

  const productPaths = ids.map(({ id }) => `/api/v1/products/${id}`);
  const keyPaths = ids.map((_, key) => `/products/${key}`);
  const lists = await listPaths(shop);
  const sides = {
    hot: (seconds?: number) => read(shop, productPaths.slice(0, 1), seconds),
    bare: (seconds?: number) => read(bare, keyPaths.slice(0, 1), seconds),
    cold: (seconds?: number) => read(shop, productPaths, seconds),
    oneRead: (seconds?: number) => read(oneRead, keyPaths, seconds),
    first: (seconds?: number) => read(shop, [lists.first], seconds),
    deep: (seconds?: number) => read(shop, [lists.deep], seconds),
    search: (seconds?: number) => read(shop, searchPaths(), seconds),
  };
  const measured = await inTurn(sides, {
    rounds: bench.rounds,
    warmUp: (side) => sides[side as keyof typeof sides](WARM_UP_SECONDS),
    say: bench.say,
  });
  for (const side of ['hot', 'cold', 'deep', 'search'] as const) {
    await profiled({ profiling: bench.profiling, servers, shop, about: `read, ${side}` }, () =>
      sides[side](),
    );
  }
  const { hot, cold, first, deep, search } = measured;
  const unit = 'requests/s';
  return [
    figure('read.hot', unit, hot.rate, measured.bare.rate, 'of bare Hono'),
    figure('read.hot.p99', 'ms', hot.p99Ms, measured.bare.p99Ms),
    figure('read.hot.cpu', 'µs/request', hot.cpuUs, measured.bare.cpuUs, 'of the process that answers'),
    figure('read.cold', unit, cold.rate, measured.oneRead.rate, 'of Hono with one prepared read'),
    figure('read.cold.p99', 'ms', cold.p99Ms, measured.oneRead.p99Ms),
    figure('read.cold.cpu', 'µs/request', cold.cpuUs, measured.oneRead.cpuUs, 'of the process that answers'),
    figure('read.cold.cpu.postgres', 'µs/request', cold.postgresCpuUs, measured.oneRead.postgresCpuUs),
    figure('list.first', unit, first.rate),
    figure('list.deep', unit, deep.rate, first.rate, `page ${DEEP_PAGE} of page 1`),
    figure('list.deep.p99', 'ms', deep.p99Ms, first.p99Ms),
    figure('list.deep.cpu', 'µs/request', deep.cpuUs, first.cpuUs),
    figure('list.deep.cpu.postgres', 'µs/request', deep.postgresCpuUs, first.postgresCpuUs),
    figure('search', unit, search.rate),
    figure('search.p99', 'ms', search.p99Ms),
    figure('search.cpu', 'µs/request', search.cpuUs),
    figure('search.cpu.postgres', 'µs/request', search.postgresCpuUs),
  ];
}

/** Reads with all clients, and tells the CPU of one request beside what the load saw. */
export function reader(bench: Bench, servers: Servers, load: Load) {
  const postgresCpu = () => usageOf(servers.postgres.pid!).cpuSeconds;
  return async (
    server: Pick<Shop, 'url' | 'usage'>,
    paths: readonly string[],
    seconds: number = bench.seconds,
  ) => {
    const before = { server: server.usage().cpuSeconds, postgres: postgresCpu() };
    const work = { kind: 'get', paths } as const;
    const result = await load.run({ url: server.url, clients: CLIENTS, seconds, work });
    return {
      rate: result.rate,
      p50Ms: result.p50Ms,
      p99Ms: result.p99Ms,
      cpuUs: ((server.usage().cpuSeconds - before.server) * 1e6) / result.count,
      postgresCpuUs: ((postgresCpu() - before.postgres) * 1e6) / result.count,
    };
  };
}

/** Two pages of the same list; the deep one is found by going there in longer steps. */
export async function listPaths(shop: Shop, deepPage = DEEP_PAGE): Promise<{ first: string; deep: string }> {
  const client = createApiClient(shop.url, PATIENCE_MS);
  const first = `/api/v1/products?limit=${PAGE}`;
  let left = PAGE * (deepPage - 1);
  let cursor = '';
  while (left > 0) {
    const step = Math.min(left, 100);
    const answer = await client.request('GET', `/products?limit=${step}${cursor && `&cursor=${cursor}`}`);
    cursor = encodeURIComponent(answer.body.nextCursor);
    left -= step;
  }
  return { first, deep: `${first}&cursor=${cursor}` };
}

/** Words that find a product, a hundredth of all, and a beginning that finds many. */
export function searchPaths(): string[] {
  const exact = Array.from({ length: 500 }, (_, index) => skuOf(index * 197).slice(1));
  const words = ['oak%20lamp', 'ceramic%20bowl', 'wool%20bl', 'cork%20tray%20kitchen'];
  return [...exact, ...words.flatMap((word) => Array.from({ length: 100 }, () => word))].map(
    (text) => `/api/v1/products?limit=${PAGE}&q=${text}`,
  );
}
