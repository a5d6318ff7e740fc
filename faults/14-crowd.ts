import { createApiClient } from '../src/commands/api-client.ts';
import { importCatalogue } from '../src/commands/import-catalogue.ts';
import { signIn } from '../src/commands/session.ts';
import { sleep } from '../src/deadline.ts';
import { type Buyer, makeBuyers } from './buyers.ts';
import { type Cluster, startCluster } from './cluster.ts';
import { type Crowd, createCrowd } from './crowd.ts';
import { type Fault, type FaultContext, pick, pickNumber } from './fault.ts';
import { judge } from './verdict.ts';

/** What one process may hold; shared out, two for each module. */
const POOL = 10;
/** Postgres reports a deadlock to its statistics about a second after it. */
const STATISTICS_MS = 2_000;
const PATIENCE_MS = 60_000;

/** So many at once, for how much; and how often. */
interface Sizes {
  readonly races: number;
  readonly buyers: number;
  readonly units: number;
  readonly crossings: number;
  readonly crossers: number;
  readonly baskets: number;
  readonly crowds: number;
  readonly clients: number;
  readonly ordersEach: number;
}

const full: Sizes = {
  races: 3,
  buyers: 1_000,
  units: 100,
  crossings: 3,
  crossers: 300,
  baskets: 50,
  crowds: 2,
  clients: 500,
  ordersEach: 3,
};
const short: Sizes = {
  races: 2,
  buyers: 200,
  units: 20,
  crossings: 2,
  crossers: 60,
  baskets: 10,
  crowds: 1,
  clients: 150,
  ordersEach: 1,
};

/** Skus that all crossing orders take, each in an order of its own. */
const CROSSING = 8;
const PLENTY = 40;

/**
 * A thousand customers want the last hundred pieces at the same moment; many orders take the same things in opposite
 * orders, as whoever wants to see a deadlock would; and five hundred clients meet processes with ten connections.
 */
export const fault: Fault = {
  number: 14,
  name: 'crowd',
  async run(context) {
    const sizes = context.short ? short : full;
    context.say('starting');
    const cluster = await startCluster({
      folder: context.folder,
      env: ({ role }) => settingsOf(role),
    });
    try {
      const urls = cluster.http.map(({ url }) => url);
      const crowd = createCrowd(urls);
      const buyers = await prepare(cluster, sizes);
      const problems: string[] = [];
      const notes: string[] = [];
      for (let race = 1; race <= sizes.races; race += 1) {
        context.say(`race ${race} of ${sizes.races}: ${sizes.buyers} buyers for ${sizes.units} units`);
        const { paid, refused } = await runRace(crowd, buyers, `RACE-${race}`, sizes.buyers);
        problems.push(...expectSold(`race ${race}`, sizes.buyers, sizes.units, paid, refused));
      }
      for (let crossing = 1; crossing <= sizes.crossings; crossing += 1) {
        context.say(
          `crossing ${crossing} of ${sizes.crossings}: ${sizes.crossers} orders of the same things`,
        );
        const { paid, refused } = await runCrossing(crowd, context, buyers, crossing, sizes.crossers);
        problems.push(...expectSold(`crossing ${crossing}`, sizes.crossers, sizes.baskets, paid, refused));
      }
      notes.push(`${crowd.busy} times 503 in the races`);
      for (let number = 1; number <= sizes.crowds; number += 1) {
        const busyBefore = crowd.busy;
        const startedMs = performance.now();
        context.say(`crowd ${number} of ${sizes.crowds}: ${sizes.clients} clients, ${POOL} connections`);
        const served = await runCrowd(crowd, context, buyers, number, sizes);
        const wanted = sizes.clients * sizes.ordersEach;
        if (served !== wanted) problems.push(`crowd ${number}: ${served} of ${wanted} orders were served`);
        const seconds = ((performance.now() - startedMs) / 1_000).toFixed(1);
        notes.push(
          `${sizes.clients} clients: ${served} orders in ${seconds} s, ${crowd.busy - busyBefore} times 503`,
        );
      }
      await sleep(STATISTICS_MS);
      const deadlocks = await countDeadlocks(cluster);
      if (deadlocks > 0) problems.push(`Postgres saw ${deadlocks} deadlocks`);
      const verdict = await judge(cluster, crowd.load, { say: context.say });
      problems.push(...(await expectStock(cluster)));
      return {
        ...verdict,
        injected: sizes.races + sizes.crossings + sizes.crowds,
        problems: [...problems, ...verdict.problems],
        notes: [...notes, ...verdict.notes, `${deadlocks} deadlocks`],
      };
    } finally {
      await cluster.stop();
    }
  },
};

function settingsOf(role: 'http' | 'worker'): Record<string, string> {
  return role === 'http' ? { DATABASE_POOL_MAX: String(POOL) } : {};
}

/** Fills the shop; resolves with everybody who will buy. */
async function prepare(cluster: Cluster, sizes: Sizes): Promise<Buyer[]> {
  const client = createApiClient(cluster.http[0]!.url, PATIENCE_MS);
  const staff = await signIn(client, cluster.admin);
  const lines = ['sku,name,price_minor,currency,on_hand'];
  const add = (sku: string, onHand: number) => lines.push(`${sku},Thing ${sku},250,GBP,${onHand}`);
  for (let race = 1; race <= sizes.races; race += 1) add(`RACE-${race}`, sizes.units);
  for (let crossing = 1; crossing <= sizes.crossings; crossing += 1)
    for (const sku of crossingSkus(crossing)) add(sku, sizes.baskets);
  for (let number = 1; number <= PLENTY; number += 1) add(`PLENTY-${number}`, 1_000_000);
  const quiet = { update: () => undefined, finish: () => undefined };
  await importCatalogue(client, staff, new Blob([`${lines.join('\n')}\n`]), quiet);
  return await makeBuyers(cluster, await staff.token(), sizes.buyers);
}

function crossingSkus(crossing: number): string[] {
  return Array.from({ length: CROSSING }, (_, number) => `CROSSING-${crossing}-${number + 1}`);
}

interface Sold {
  readonly paid: number;
  readonly refused: number;
}

async function runRace(crowd: Crowd, buyers: readonly Buyer[], sku: string, count: number): Promise<Sold> {
  return countOutcomes(
    buyers
      .slice(0, count)
      .map((buyer, number) => crowd.buy(buyer, `${sku}-${number}`, [{ sku, quantity: 1 }])),
  );
}

/** Half of the orders name the things in one order and half in the opposite one, but for a few that shuffle them. */
async function runCrossing(
  crowd: Crowd,
  { random }: FaultContext,
  buyers: readonly Buyer[],
  crossing: number,
  count: number,
): Promise<Sold> {
  const skus = crossingSkus(crossing);
  return countOutcomes(
    buyers.slice(0, count).map((buyer, number) => {
      const items = skus.map((sku) => ({ sku, quantity: 1 }));
      if (number % 2 === 1) items.reverse();
      if (number % 10 === 0) items.sort(() => random() - 0.5);
      return crowd.buy(buyer, `crossing-${crossing}-${number}`, items);
    }),
  );
}

async function countOutcomes(buying: readonly ReturnType<Crowd['buy']>[]): Promise<Sold> {
  const outcomes = await Promise.all(buying);
  const count = (outcome: string) => outcomes.filter((each) => each === outcome).length;
  return { paid: count('paid'), refused: count('refused') };
}

/** Every client buys some ordinary baskets one after another; resolves with how many were bought. */
async function runCrowd(
  crowd: Crowd,
  { random }: FaultContext,
  buyers: readonly Buyer[],
  number: number,
  { clients, ordersEach }: Sizes,
): Promise<number> {
  const names = Array.from({ length: PLENTY }, (_, at) => `PLENTY-${at + 1}`);
  const baskets = () => {
    const skus = new Set(Array.from({ length: pickNumber(random, 1, 4) }, () => pick(random, names)));
    return [...skus].map((sku) => ({ sku, quantity: pickNumber(random, 1, 3) }));
  };
  const plans = buyers
    .slice(0, clients)
    .map((buyer) => ({ buyer, orders: Array.from({ length: ordersEach }, baskets) }));
  const served = await Promise.all(
    plans.map(async ({ buyer, orders }, client) => {
      let count = 0;
      for (const [at, items] of orders.entries()) {
        const outcome = await crowd.buy(buyer, `crowd-${number}-${client}-${at}`, items);
        if (outcome === 'paid') count += 1;
      }
      return count;
    }),
  );
  return served.reduce((sum, count) => sum + count, 0);
}

function expectSold(what: string, buyers: number, units: number, paid: number, refused: number): string[] {
  if (paid === units && refused === buyers - units) return [];
  return [`${what}: of ${buyers} buyers for ${units} units ${paid} bought, and ${refused} were refused`];
}

/** All pieces of what was fought for are sold, and none is held. */
async function expectStock(cluster: Cluster): Promise<string[]> {
  const left = await cluster.query(
    (sql) => sql<{ sku: string; on_hand: number; reserved: number }[]>`
      select v.sku, s.on_hand::int, s.reserved::int from products.stock s
      join products.variant v on v.id = s.variant_id
      where v.sku not like 'PLENTY-%' and (s.on_hand, s.reserved) <> (0, 0)`,
  );
  return left.map(
    ({ sku, on_hand, reserved }) => `${sku}: ${on_hand} are left, ${reserved} of them reserved`,
  );
}

async function countDeadlocks(cluster: Cluster): Promise<number> {
  return await cluster.query(async (sql) => {
    const [row] = await sql<{ count: number }[]>`
      select deadlocks::int as count from pg_stat_database where datname = current_database()`;
    return row?.count ?? 0;
  });
}
