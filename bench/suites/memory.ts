import { CURRENCY, fillCatalogue, signUpCustomers, skus } from '../catalogue.ts';
import { drain } from '../drain.ts';
import { startLoad } from '../load/load.ts';
import { startServers, startShop } from '../stack.ts';
import type { Bench, Figure, Suite } from '../suite.ts';
import { type MemorySample, memoryTrend } from './memory-trend.ts';

const SKUS = 1_000;
const CUSTOMERS = 20;
const CLIENTS = 32;
/** Orders between two samples. */
const STEP = 1_000;
/** A step takes seconds. */
const STEP_MAX_SECONDS = 120;
/** Orders after which customers sign in anew: access tokens end after a quarter of an hour. */
const SIGN_UP_EVERY = 10_000;
/** MB for 10,000 orders that are noise: a leak of a kilobyte an order is twice that. */
const FLAT_MB = 5;

export const memorySuite: Suite = {
  name: 'memory',
  about: 'resident memory of the bundled shop on Postgres while 20,000 orders pass',
  run: (bench) => memoryOver(bench, 20_000),
};

export const memoryHourSuite: Suite = {
  name: 'memory-hour',
  about: "the same for 100,000 orders, an hour's worth; takes some minutes",
  onlyNamed: true,
  run: (bench) => memoryOver(bench, 100_000),
};

async function memoryOver(bench: Bench, orders: number): Promise<Figure[]> {
  const servers = await startServers(bench);
  const databaseUrl = await servers.createDatabase('memory');
  const shop = await startShop(bench, servers, databaseUrl, { bundled: true });
  await fillCatalogue(bench, shop, SKUS);
  const load = startLoad(bench);
  const samples: MemorySample[] = [];
  let tokens: string[] = [];
  for (let done = 0; done < orders; done += STEP) {
    if (done % SIGN_UP_EVERY === 0) tokens = await signUpCustomers(shop, CUSTOMERS);
    const work = { kind: 'order', skus: skus(SKUS), lines: 2, currency: CURRENCY, tokens } as const;
    const plan = { url: shop.url, clients: CLIENTS, count: STEP, seconds: STEP_MAX_SECONDS, work };
    const { count } = await load.run(plan);
    if (count < STEP) throw new Error(`${count} orders of ${STEP} in ${STEP_MAX_SECONDS} s`);
    const { residentMb } = shop.usage();
    samples.push({ orders: done + STEP, residentMb });
    bench.say(`${done + STEP} of ${orders} orders, ${Math.round(residentMb)} MB`);
  }
  await drain(servers, databaseUrl);
  const { highestMb, growthMb } = memoryTrend(samples);
  const first = samples[0]!.residentMb;
  const last = samples.at(-1)!.residentMb;
  return [
    {
      name: 'memory',
      value: highestMb,
      unit: 'MB',
      spread: [Math.min(first, last), highestMb],
      note: `resident, the most while ${orders} orders passed; ${Math.round(first)} MB after the first ${STEP}, ${Math.round(last)} MB at the end`,
    },
    {
      name: 'memory.growth',
      value: growthMb,
      unit: 'MB/10,000 orders',
      note: Math.abs(growthMb) <= FLAT_MB ? 'flat' : growthMb > 0 ? 'it grows' : 'it falls',
    },
  ];
}
