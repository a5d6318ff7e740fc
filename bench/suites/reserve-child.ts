import { pino } from 'pino';
import { uuidv7 } from 'uuidv7';
import { productContract } from '../../modules/product/contract.ts';
import { productModule } from '../../modules/product/module.ts';
import { createShop } from '../../src/compose.ts';
import { loadConfig } from '../../src/config.ts';
import { uses } from '../../src/rpc/contract.ts';
import { createLatencies } from '../load/latencies.ts';

export interface ReservePlan {
  /** Each has one call under way. */
  readonly callers: number;
  readonly seconds: number;
  readonly sku: string;
}

const EXPIRES_MS = 600_000;

const [databaseUrl = '', redisUrl = ''] = process.argv.slice(2);
const config = loadConfig({
  env: { DATABASE_URL: databaseUrl, REDIS_URL: redisUrl, LOG_LEVEL: 'warn' },
  flags: {},
});
const shop = await createShop({
  config,
  log: pino({ level: config.logLevel }),
  modules: [productModule],
  elsewhere: { user: { jwks: async () => ({ keys: [] }) } },
});
await shop.start({ listen: false });
const product = shop.api(uses(productContract, 'reserve'));

process.on('message', async ({ callers, seconds, sku }: ReservePlan) => {
  const latencies = createLatencies();
  const startedMs = performance.now();
  const endsMs = startedMs + seconds * 1_000;
  const caller = async () => {
    for (let sentMs = startedMs; sentMs < endsMs; sentMs = performance.now()) {
      const lines = [{ sku, quantity: 1 }];
      await product.reserve({ orderId: uuidv7(), lines, pinned: true, expiresInMs: EXPIRES_MS });
      latencies.add(performance.now() - sentMs);
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  const tookMs = performance.now() - startedMs;
  process.send?.({ rate: latencies.count / (tookMs / 1_000), p99Ms: latencies.summary().p99Ms });
});
process.once('disconnect', () => process.exit());
process.send?.('ready');
