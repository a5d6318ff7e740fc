import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { UpFile } from '../../src/commands/up-file.ts';
import { sleep } from '../../src/deadline.ts';
import { instancesOf } from '../../src/placement/instances.ts';
import { readPlacement } from '../../src/placement/placement.ts';
import { CURRENCY, fillCatalogue, signUpCustomers, skus } from '../catalogue.ts';
import { drain } from '../drain.ts';
import { figure, inTurn } from '../in-turn.ts';
import { startLoad } from '../load/load.ts';
import { type Shop, type ShopOptions, startServers, startShop } from '../stack.ts';
import type { Suite } from '../suite.ts';

const SKUS = 1_000;
const CUSTOMERS = 20;
const CLIENTS = 32;
/** A dozen processes start on few cores. */
const PLACED_MS = 120_000;
const LOOK_MS = 100;

export const splitSuite: Suite = {
  name: 'split',
  about: 'paid orders in one process, in the split placement, and with --workers 2',
  async run(bench) {
    const servers = await startServers(bench);
    const load = startLoad(bench);
    const order = async (name: string, options: ShopOptions) => {
      bench.say(`starting ${name}`);
      const databaseUrl = await servers.createDatabase(name);
      const shop = await startShop(bench, servers, databaseUrl, { name, ...options });
      if (options.processes !== undefined) await placed(shop);
      await fillCatalogue(bench, shop, SKUS);
      const tokens = await signUpCustomers(shop, CUSTOMERS);
      const work = { kind: 'order', skus: skus(SKUS), lines: 2, currency: CURRENCY, tokens } as const;
      const run = (clients: number) => load.run({ url: shop.url, clients, seconds: bench.seconds, work });
      return async () => {
        const alone = await run(1);
        await drain(servers, databaseUrl);
        const before = shop.usage().cpuSeconds;
        const together = await run(CLIENTS);
        // What an order still costs after its answer is part of its cost.
        await drain(servers, databaseUrl);
        const cpuMs = ((shop.usage().cpuSeconds - before) * 1_000) / together.count;
        return { p50Ms: alone.p50Ms, rate: together.rate, cpuMs };
      };
    };
    const sides = {
      monolith: await order('monolith', {}),
      split: await order('split', splitOptions()),
      workers: await order('workers', { command: ['serve', '--workers', '2'] }),
    };
    const { monolith, split, workers } = await inTurn(sides, { rounds: bench.rounds, say: bench.say });
    const ofMonolith = 'the limit is the monolith';
    const cpu = 'CPU of all processes of the shop, events included';
    return [
      figure('split.p50', 'ms', split.p50Ms, monolith.p50Ms, `one client; ${ofMonolith}`),
      figure('split.c32', 'orders/s', split.rate, monolith.rate, ofMonolith),
      figure('split.cpu', 'ms/order', split.cpuMs, monolith.cpuMs, cpu),
      figure('workers.p50', 'ms', workers.p50Ms, monolith.p50Ms, `one client; ${ofMonolith}`),
      figure('workers.c32', 'orders/s', workers.rate, monolith.rate, ofMonolith),
      figure('workers.cpu', 'ms/order', workers.cpuMs, monolith.cpuMs, cpu),
    ];
  },
};

/** Deployed as deploy/placements/split.yaml says, on this machine. */
function splitOptions(): ShopOptions {
  return {
    command: ['up', 'split'],
    processes: instancesOf(readPlacement('split')).length,
    env: { SERVICE_SECRET: randomBytes(24).toString('hex') },
  };
}

/** Resolves when all processes of a placement can do real work: its public one is ready before the rest is. */
async function placed(shop: Shop): Promise<void> {
  const endsAt = performance.now() + PLACED_MS;
  const isReady = () => {
    const { processes }: UpFile = JSON.parse(readFileSync(join(shop.dataDir, 'up.json'), 'utf8'));
    return Object.values(processes).every((process) => process.isReady);
  };
  while (!isReady()) {
    if (performance.now() > endsAt)
      throw new Error(`not all processes were ready in ${PLACED_MS} ms: see ${shop.logFile}`);
    await sleep(LOOK_MS);
  }
}
