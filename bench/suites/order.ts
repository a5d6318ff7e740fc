import { fillCatalogue, signUpCustomers, skus } from '../catalogue.ts';
import { figure, inTurn, roundsOf } from '../in-turn.ts';
import { NO_PGBENCH, openOrderLimit } from '../limits/pgbench.ts';
import { startLoad } from '../load/load.ts';
import { placeOrders } from '../orders.ts';
import { profiled } from '../profile.ts';
import { startServers, startShop } from '../stack.ts';
import type { Bench, Figure, Suite } from '../suite.ts';

const SKUS = 1_000;
const LINES = 2;
const CUSTOMERS = 16;
const CLIENTS = [1, 8, 32, 128] as const;
const WARM_UP_SECONDS = 1;
/** A paced order that finds a client free does not wait for one: more than are ever under way at half load. */
const PACED_CLIENTS = 64;

export const orderSuite: Suite = {
  name: 'order',
  about:
    'paid orders of 2 lines over 1,000 skus at 1, 8, 32, 128 clients, beside their own writes by pgbench',
  run,
};

async function run(bench: Bench): Promise<Figure[]> {
  bench.note('order', { skus: SKUS, lines: LINES, clients: CLIENTS, processes: 'one, http and worker' });
  const servers = await startServers(bench);
  const databaseUrl = await servers.createDatabase('shop');
  const shop = await startShop(bench, servers, databaseUrl);
  await fillCatalogue(bench, shop, SKUS);
  const tokens = await signUpCustomers(shop, CUSTOMERS);
  const limit = await openOrderLimit(bench, servers);
  const load = startLoad(bench);
  const place = (clients: number, seconds: number, pace?: number) =>
    placeOrders({ servers, shop, load, tokens, skus: skus(SKUS), lines: LINES, clients, seconds, pace });

  await place(32, WARM_UP_SECONDS);
  const shops: Record<number, Awaited<ReturnType<typeof inTurnAt>>> = {};
  async function inTurnAt(clients: number) {
    const options = {
      rounds: bench.rounds,
      warmUp: async (side: string) => side === 'shop' && (await place(clients, WARM_UP_SECONDS)),
      say: (text: string) => bench.say(`${clients} clients, ${text}`),
    };
    const ours = () => place(clients, bench.seconds);
    if (limit === undefined) return { ...(await inTurn({ shop: ours }, options)), pgbench: undefined };
    return await inTurn({ shop: ours, pgbench: () => limit.run(clients, bench.seconds) }, options);
  }
  for (const clients of CLIENTS) shops[clients] = await inTurnAt(clients);
  const at32 = shops[32]!;

  const pace = at32.shop.rate.median / 2;
  const halves: number[] = [];
  for (let round = 1; round <= bench.rounds; round += 1) {
    bench.say(`half load, round ${round} of ${bench.rounds}`);
    halves.push((await place(PACED_CLIENTS, bench.seconds, pace)).p99Ms);
  }
  await profiled({ profiling: bench.profiling, servers, shop, about: 'order, 32 clients' }, () =>
    place(32, bench.seconds),
  );

  const note = limit ? undefined : NO_PGBENCH;
  return [
    ...CLIENTS.flatMap((clients) => {
      const { shop: ours, pgbench } = shops[clients]!;
      return [
        figure(`order.c${clients}`, 'orders/s', ours.rate, pgbench?.rate, note ?? 'of pgbench'),
        figure(`order.c${clients}.p50`, 'ms', ours.p50Ms, pgbench?.p50Ms),
        figure(`order.c${clients}.p99`, 'ms', ours.p99Ms, pgbench?.p99Ms),
      ];
    }),
    figure('order.p99', 'ms', roundsOf(halves), at32.pgbench?.p50Ms, 'at half of c32, of pgbench p50 at c32'),
    figure('order.c32.drain', 's', at32.shop.drainSeconds, undefined, 'until no event or mail was left'),
    figure('order.c32.cpu.shop', 'µs/order', at32.shop.shopCpuUs, undefined, 'with all that follows'),
    figure('order.c32.cpu.postgres', 'µs/order', at32.shop.postgresCpuUs, at32.pgbench?.postgresCpuUs),
    figure('order.c32.wal', 'kB/order', at32.shop.walKb, at32.pgbench?.walKb),
    ...(servers.hasStatementStatistics
      ? [
          figure(
            'order.c32.statements',
            'per order',
            at32.shop.statements,
            at32.pgbench?.statements,
            'without begin and commit',
          ),
        ]
      : []),
    figure('order.c32.cpu.load', 'µs/order', at32.shop.loadCpuUs),
  ];
}
