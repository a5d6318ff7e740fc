import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createApiClient } from '../../src/commands/api-client.ts';
import { importCatalogue } from '../../src/commands/import-catalogue.ts';
import { percentile } from '../../src/commands/replay-report.ts';
import { replayTrade } from '../../src/commands/replay-trade.ts';
import { signIn } from '../../src/commands/session.ts';
import { readTrade } from '../../src/commands/trade-file.ts';
import { ADMIN, type Shop, startServers, startShop } from '../stack.ts';
import type { Bench, Figure, Suite } from '../suite.ts';

const root = join(import.meta.dirname, '../..');
const PATIENCE_MS = 30_000;
const AT_ONCE = 8;
/** How often the progress is told. */
const TOLD_EVERY = 200;

export const replaySuite: Suite = {
  name: 'replay',
  about: `a month of a real retailer's orders, ${AT_ONCE} at once, by the client of banyan replay`,
  async run(bench) {
    const servers = await startServers(bench);
    const shop = await startShop(bench, servers, await servers.createDatabase('replay'));
    const client = createApiClient(shop.url, PATIENCE_MS);
    const quiet = { update: () => undefined, finish: () => undefined };
    const catalogue = new Blob([await readFile(join(root, 'deploy/demo/catalogue.csv'))]);
    await importCatalogue(client, await signIn(client, ADMIN), catalogue, quiet);
    const orders = await readTrade(join(root, 'deploy/demo/orders-2010-12.ndjson.gz'));
    const told = (what: string) => ({
      update: (done: number, total: number) => {
        if (done % TOLD_EVERY === 0) bench.say(`${what}, ${done} of ${total}`);
      },
      finish: () => undefined,
    });
    const result = await replayTrade({
      client,
      orders,
      currency: 'GBP',
      concurrency: AT_ONCE,
      registering: told('customers'),
      startTrading: () => told('orders'),
    });
    const faults = result.orders.flatMap(({ invoice, fault }) => (fault ? [`${invoice}: ${fault}`] : []));
    if (faults.length > 0) throw new Error(`${faults.length} orders went wrong; the first, ${faults[0]}`);
    await audit(bench, shop);
    const latencies = result.orders.flatMap(({ latencyMs }) => latencyMs ?? []).sort((a, b) => a - b);
    const lines = result.orders.reduce((sum, order) => sum + order.lines, 0);
    const note = `${orders.length} orders of ${lines} lines, all paid, every total right; the audit is clean`;
    const latency = (name: string, share: number): Figure => ({
      name,
      value: percentile(latencies, share),
      unit: 'ms',
    });
    return [
      { name: 'replay', value: (orders.length * 1_000) / result.tradeMs, unit: 'orders/s', note },
      latency('replay.p50', 0.5),
      latency('replay.p99', 0.99),
    ];
  },
};

/** Rejects with what `banyan audit` prints when anything in the shop's database breaks an invariant. */
async function audit(bench: Bench, shop: Shop): Promise<void> {
  bench.say('audit');
  const ended = Promise.withResolvers<void>();
  execFile(
    join(root, 'bin/banyan'),
    ['audit'],
    { env: { PATH: process.env.PATH ?? '', DATABASE_URL: shop.databaseUrl, LOG_LEVEL: 'warn' } },
    (error, out, err) => (error ? ended.reject(new Error(`the audit: ${out}${err}`)) : ended.resolve()),
  );
  await ended.promise;
}
