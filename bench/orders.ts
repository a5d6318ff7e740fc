import { CURRENCY } from './catalogue.ts';
import { drain } from './drain.ts';
import type { Load } from './load/load.ts';
import { readPostgresWork, workOfOne } from './postgres-work.ts';
import type { Servers, Shop } from './stack.ts';

export interface OrderLoadOptions {
  readonly servers: Servers;
  /** On Postgres. */
  readonly shop: Shop;
  readonly load: Load;
  readonly tokens: readonly string[];
  readonly skus: readonly string[];
  readonly lines: number;
  readonly clients: number;
  readonly seconds: number;
  /** Orders a second; see `LoadPlan.pace`. */
  readonly pace?: number;
}

/**
 * Places paid orders, then waits until all that follows from them is done. CPU (in µs), statements and bytes of the log
 * are those of one order: of the shop's process and of Postgres until all is done, of the load while it ran.
 */
export async function placeOrders(options: OrderLoadOptions) {
  const { servers, shop, load, tokens, skus, lines, clients, seconds, pace } = options;
  const postgresWork = () => readPostgresWork(servers, shop.databaseUrl!, 'logins');
  const shopBefore = shop.usage().cpuSeconds;
  const before = await postgresWork();
  const work = { kind: 'order', skus, lines, currency: CURRENCY, tokens } as const;
  const result = await load.run({ url: shop.url, clients, seconds, pace, work });
  const drainSeconds = await drain(servers, shop.databaseUrl!);
  const after = await postgresWork();
  return {
    rate: result.rate,
    p50Ms: result.p50Ms,
    p99Ms: result.p99Ms,
    drainSeconds,
    shopCpuUs: ((shop.usage().cpuSeconds - shopBefore) * 1e6) / result.count,
    loadCpuUs: (result.cpuSeconds * 1e6) / result.count,
    ...workOfOne(before, after, result.count),
  };
}
