import { CURRENCY, fillCatalogue, signUpCustomers, skus } from '../catalogue.ts';
import { figure, inTurn } from '../in-turn.ts';
import { startLoad } from '../load/load.ts';
import { type Servers, type Shop, type ShopOptions, startServers, startShop } from '../stack.ts';
import type { Bench, Figure, Suite } from '../suite.ts';

const SKUS = 1_000;
const CUSTOMERS = 10;
const CLIENTS = 32;
const LOADED_SECONDS = 10;
const TRADED_SECONDS = 2;

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
    await trade(bench, await onPostgres(), TRADED_SECONDS);
    await trade(bench, await onFolder('embedded'), TRADED_SECONDS);
    let made = 0;
    const measured = await inTurn(
      {
        postgres: () => ready(onPostgres()),
        embedded: () => ready(onFolder('embedded')),
        postgresNew: async () => ready(onEmptyDatabase(bench, servers, ++made)),
        embeddedNew: () => ready(onFolder(`embedded-${++made}`)),
      },
      { rounds: bench.rounds, say: bench.say },
    );
    const { postgres, embedded, postgresNew, embeddedNew } = measured;
    const idle = 'resident, just ready';
    return [
      figure('start.postgres', 's', postgres.seconds, undefined, 'to the first 200 of /readyz'),
      figure('start.embedded', 's', embedded.seconds),
      figure('start.postgres.new', 's', postgresNew.seconds, undefined, 'an empty database'),
      figure('start.embedded.new', 's', embeddedNew.seconds, undefined, 'no folder yet'),
      figure('start.postgres.idle', 'MB', postgres.residentMb, undefined, idle),
      await loaded(bench, 'start.postgres.loaded', await onPostgres()),
      figure('start.embedded.idle', 'MB', embedded.residentMb, undefined, idle),
      await loaded(bench, 'start.embedded.loaded', await onFolder('embedded')),
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

async function ready(starting: Promise<Shop>): Promise<{ seconds: number; residentMb: number }> {
  const shop = await starting;
  const { residentMb } = shop.usage();
  await shop.stop();
  return { seconds: shop.readyMs / 1_000, residentMb };
}

async function loaded(bench: Bench, name: string, shop: Shop): Promise<Figure> {
  const value = await trade(bench, shop, LOADED_SECONDS);
  return { name, value, unit: 'MB', note: `resident, after ${LOADED_SECONDS} s of orders` };
}

/** Takes orders for so long, and stops the shop; resolves with the MB that it held in the end. */
async function trade(bench: Bench, shop: Shop, seconds: number): Promise<number> {
  bench.say(`orders for ${seconds} s`);
  await fillCatalogue(bench, shop, SKUS);
  const tokens = await signUpCustomers(shop, CUSTOMERS);
  const work = { kind: 'order', skus: skus(SKUS), lines: 2, currency: CURRENCY, tokens } as const;
  await startLoad(bench).run({ url: shop.url, clients: CLIENTS, seconds, work });
  const { residentMb } = shop.usage();
  await shop.stop();
  return residentMb;
}
