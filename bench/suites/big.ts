import { fillCatalogue, signUpCustomers, skus } from '../catalogue.ts';
import { figure, inTurn } from '../in-turn.ts';
import { startLoad } from '../load/load.ts';
import { placeOrders } from '../orders.ts';
import { profiled } from '../profile.ts';
import { startServers, startShop } from '../stack.ts';
import type { Bench, Figure, Suite } from '../suite.ts';

const SKUS = 2_000;

export const bigSuite: Suite = {
  name: 'big',
  about: 'the time of an order of 15 and of 1,000 lines, of one of 2; one client',
  run,
};

async function run(bench: Bench): Promise<Figure[]> {
  bench.note('big', { skus: SKUS, clients: 1 });
  const servers = await startServers(bench);
  const shop = await startShop(bench, servers, await servers.createDatabase('shop'));
  await fillCatalogue(bench, shop, SKUS);
  const tokens = await signUpCustomers(shop, 1);
  const load = startLoad(bench);
  const { seconds, rounds, say } = bench;
  const place = (lines: number) => () =>
    placeOrders({ servers, shop, load, tokens, skus: skus(SKUS), lines, clients: 1, seconds });
  const sides = { two: place(2), fifteen: place(15), thousand: place(1_000) };
  const { two, fifteen, thousand } = await inTurn(sides, { rounds, say });
  await profiled({ profiling: bench.profiling, servers, shop, about: 'big, 1,000 lines' }, sides.thousand);
  return [
    figure('big.2', 'ms', two.p50Ms),
    figure('big.15', 'ms', fifteen.p50Ms, two.p50Ms, 'of an order of 2 lines'),
    figure('big.1000', 'ms', thousand.p50Ms, two.p50Ms, 'of an order of 2 lines'),
    figure('big.1000.cpu.shop', 'µs/order', thousand.shopCpuUs, two.shopCpuUs),
    figure('big.1000.cpu.postgres', 'µs/order', thousand.postgresCpuUs, two.postgresCpuUs),
  ];
}
