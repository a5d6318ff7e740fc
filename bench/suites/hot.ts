import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fillCatalogue, signUpCustomers, skuOf, skus } from '../catalogue.ts';
import { figure, inTurn } from '../in-turn.ts';
import { startLoad } from '../load/load.ts';
import { placeOrders } from '../orders.ts';
import { profiled } from '../profile.ts';
import { type Servers, startServers, startShop } from '../stack.ts';
import type { Bench, Figure, Suite } from '../suite.ts';
import type { ReservePlan } from './reserve-child.ts';

const SKUS = 1_000;
const CUSTOMERS = 16;
const CLIENTS = 32;
const CALLERS = 128;

export const hotSuite: Suite = {
  name: 'hot',
  about: 'all clients on one sku: paid orders, and reservations through the contract',
  run,
};

async function run(bench: Bench): Promise<Figure[]> {
  bench.note('hot', { clients: CLIENTS, callers: CALLERS });
  const servers = await startServers(bench);
  const databaseUrl = await servers.createDatabase('shop');
  const shop = await startShop(bench, servers, databaseUrl);
  await fillCatalogue(bench, shop, SKUS);
  const tokens = await signUpCustomers(shop, CUSTOMERS);
  const load = startLoad(bench);
  const { seconds, rounds, say } = bench;
  const common = { servers, shop, load, tokens, clients: CLIENTS, seconds };
  const orders = {
    spread: () => placeOrders({ ...common, skus: skus(SKUS), lines: 2 }),
    hot: () => placeOrders({ ...common, skus: [skuOf(0)], lines: 1 }),
  };
  const { spread, hot } = await inTurn(orders, { rounds, say });
  await profiled({ profiling: bench.profiling, servers, shop, about: 'hot, orders on one sku' }, orders.hot);
  await shop.stop();

  const reserve = await startReserving(bench, servers, databaseUrl);
  const at = (callers: number) => () => reserve({ callers, seconds, sku: skuOf(1) });
  const calls = await inTurn({ c32: at(32), c128: at(CALLERS), c256: at(256) }, { rounds, say });
  const unit = 'reservations/s';
  return [
    figure('hot.orders', 'orders/s', hot.rate, spread.rate, 'of orders of 2 lines over 1,000 skus'),
    figure('hot.orders.p99', 'ms', hot.p99Ms, spread.p99Ms),
    figure('hot.orders.drain', 's', hot.drainSeconds, spread.drainSeconds),
    figure('hot.reservations', unit, calls.c128.rate, undefined, `${CALLERS} callers at once`),
    figure('hot.reservations.c32', unit, calls.c32.rate),
    figure('hot.reservations.c256', unit, calls.c256.rate),
    figure('hot.reservations.p99', 'ms', calls.c128.p99Ms),
  ];
}

/** The product module in a process of its own, which is also its only caller. */
async function startReserving(bench: Bench, servers: Servers, databaseUrl: string) {
  const child = fork(join(import.meta.dirname, 'reserve-child.ts'), [databaseUrl, servers.redis.url], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  bench.atEnd(() => child.kill('SIGKILL'));
  const ended = new AbortController();
  child.once('exit', () => ended.abort(new Error('the process with the product module died')));
  const heard = async () =>
    (await once(child, 'message', { signal: ended.signal })) as [{ rate: number; p99Ms: number }];
  await heard();
  return async (plan: ReservePlan) => {
    child.send(plan);
    const [result] = await heard();
    return result;
  };
}
