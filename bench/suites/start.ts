import { CURRENCY, fillCatalogue, signUpCustomers, skus } from '../catalogue.ts';
import { figure, inTurn } from '../in-turn.ts';
import { startLoad } from '../load/load.ts';
import { type Servers, type Shop, type ShopOptions, startServers, startShop } from '../stack.ts';
import type { Bench, Figure, Suite } from '../suite.ts';

const SKUS = 1_000;
const CUSTOMERS = 10;
const CLIENTS = 32;
const LOADED_SECONDS = 10;

export const startSuite: Suite = {
  name: 'start',
  about: 'from the start of the bundled shop until it is ready, and its memory idle and under load',
  async run(bench) {
    const servers = await startServers(bench);
    const databaseUrl = await servers.createDatabase('start');
    const bundled = { bundled: true, env: { LOG_LEVEL: 'warn' } };
    const onPostgres = (options: Partial<ShopOptions> = {}) =>
      startShop(bench, servers, databaseUrl, { ...bundled, name: 'postgres', ...options });
    const onFolder = (name: string) => startShop(bench, undefined, undefined, { ...bundled, name });

    // What is there at the later starts is a shop that has traded.
    const memory = [
      ...(await memoryOf(bench, 'postgres', await onPostgres())),
      ...(await memoryOf(bench, 'embedded', await onFolder('embedded'))),
    ];
    let made = 0;
    const measured = await inTurn(
      {
        postgres: () => readySeconds(onPostgres()),
        embedded: () => readySeconds(onFolder('embedded')),
        postgresNew: async () => readySeconds(onEmptyDatabase(bench, servers, ++made)),
        embeddedNew: () => readySeconds(onFolder(`embedded-${++made}`)),
      },
      { rounds: bench.rounds, say: bench.say },
    );
    return [
      figure('start.postgres', 's', measured.postgres.seconds, undefined, 'to the first 200 of /readyz'),
      figure('start.embedded', 's', measured.embedded.seconds),
      figure('start.postgres.new', 's', measured.postgresNew.seconds, undefined, 'an empty database'),
      figure('start.embedded.new', 's', measured.embeddedNew.seconds, undefined, 'no folder yet'),
      ...memory,
    ];
  },
};

async function onEmptyDatabase(bench: Bench, servers: Servers, number: number): Promise<Shop> {
  const databaseUrl = await servers.createDatabase(`start_${number}`);
  return await startShop(bench, servers, databaseUrl, {
    bundled: true,
    env: { LOG_LEVEL: 'warn' },
    name: 'empty',
  });
}

async function readySeconds(starting: Promise<Shop>): Promise<{ seconds: number }> {
  const shop = await starting;
  await shop.stop();
  return { seconds: shop.readyMs / 1_000 };
}

/** Fills a new shop, trades for a while, and stops it. */
async function memoryOf(bench: Bench, engine: string, shop: Shop): Promise<Figure[]> {
  bench.say(`${engine}, memory`);
  const mb = (name: string, note: string): Figure => ({
    name,
    value: shop.usage().residentMb,
    unit: 'MB',
    note,
  });
  const idle = mb(`start.${engine}.idle`, 'resident, just ready');
  await fillCatalogue(bench, shop, SKUS);
  const tokens = await signUpCustomers(shop, CUSTOMERS);
  const work = { kind: 'order', skus: skus(SKUS), lines: 2, currency: CURRENCY, tokens } as const;
  await startLoad(bench).run({ url: shop.url, clients: CLIENTS, seconds: LOADED_SECONDS, work });
  const loaded = mb(`start.${engine}.loaded`, `resident, after ${LOADED_SECONDS} s of orders`);
  await shop.stop();
  return [idle, loaded];
}
