import { CURRENCY, fillCatalogue, signUpCustomers, skus } from '../catalogue.ts';
import { figure, inTurn } from '../in-turn.ts';
import { startLoad } from '../load/load.ts';
import { startShop } from '../stack.ts';
import type { Suite } from '../suite.ts';

const SKUS = 1_000;
const CUSTOMERS = 20;
const NOTE = 'embedded database, one process, paid orders of 2 lines';

export const embeddedSuite: Suite = {
  name: 'embedded',
  about: 'paid orders on the embedded database, at 8 and 32 clients',
  async run(bench) {
    const shop = await startShop(bench, undefined, undefined);
    await fillCatalogue(bench, shop, SKUS);
    const load = startLoad(bench);
    const tokens = await signUpCustomers(shop, CUSTOMERS);
    const work = { kind: 'order', skus: skus(SKUS), lines: 2, currency: CURRENCY, tokens } as const;
    const orders = (clients: number) => async () => {
      const { rate, p50Ms, p99Ms } = await load.run({ url: shop.url, clients, seconds: bench.seconds, work });
      return { rate, p50Ms, p99Ms };
    };
    const measured = await inTurn(
      { c8: orders(8), c32: orders(32) },
      { rounds: bench.rounds, say: bench.say },
    );
    return [
      figure('embedded.order', 'orders/s', measured.c32.rate, undefined, `${NOTE}, 32 clients`),
      figure('embedded.order.p50', 'ms', measured.c32.p50Ms),
      figure('embedded.order.p99', 'ms', measured.c32.p99Ms),
      figure('embedded.order.c8', 'orders/s', measured.c8.rate),
      figure('embedded.order.c8.p50', 'ms', measured.c8.p50Ms),
      { name: 'embedded.memory', value: shop.usage().residentMb, unit: 'MB', note: 'after that' },
    ];
  },
};
