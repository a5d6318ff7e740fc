import { usageOf } from './about.ts';
import { CURRENCY } from './catalogue.ts';
import { drain } from './drain.ts';
import type { Load } from './load/load.ts';
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
 * Places paid orders, then waits until all that follows from them is done. CPU is that of one order, in µs: of the
 * shop's process and of Postgres until all is done, of the load while it ran.
 */
export async function placeOrders(options: OrderLoadOptions) {
  const { servers, shop, load, tokens, skus, lines, clients, seconds, pace } = options;
  const cpu = () => ({
    shop: shop.usage().cpuSeconds,
    postgres: usageOf(servers.postgres.pid!).cpuSeconds,
  });
  const before = cpu();
  const work = { kind: 'order', skus, lines, currency: CURRENCY, tokens } as const;
  const result = await load.run({ url: shop.url, clients, seconds, pace, work });
  const drainSeconds = await drain(servers, shop.databaseUrl!);
  const after = cpu();
  const perOrder = (seconds: number) => (seconds * 1e6) / result.count;
  return {
    rate: result.rate,
    p50Ms: result.p50Ms,
    p99Ms: result.p99Ms,
    drainSeconds,
    shopCpuUs: perOrder(after.shop - before.shop),
    postgresCpuUs: perOrder(after.postgres - before.postgres),
    loadCpuUs: perOrder(result.cpuSeconds),
  };
}
