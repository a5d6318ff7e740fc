import { CURRENCY, fillCatalogue, signUpCustomers, skuOf, skus } from '../catalogue.ts';
import { drain } from '../drain.ts';
import { figure, inTurn, type Rounds } from '../in-turn.ts';
import { startLoad } from '../load/load.ts';
import { placeOrders } from '../orders.ts';
import { startServers, startShop } from '../stack.ts';
import type { Bench, Figure, Suite } from '../suite.ts';
import { cloneRows } from './clone-rows.ts';
import { listPaths, reader, searchPaths } from './read.ts';

const CLIENTS = 32;
const CUSTOMERS = 20;
/** Ordered skus, from everywhere in the catalogue. */
const ORDERED = 1_000;
/** Products that are read at random; more would only fill the load's memory. */
const READ = 100_000;
const PRODUCTS = [10_000, 100_000, 1_000_000] as const;
const PAGE = 20;
const WARM_UP_ROUNDS = 2;
const DEEP_PAGE = 1_000;

/** Orders that the shop places itself; the rest are copies of these. */
const PLACED = 2_000;
const PLACED_MAX_SECONDS = 120;
const ORDERS = [10_000, 1_000_000] as const;
/** Every table that an order leaves rows in. */
const ORDER_TABLES = [
  'orders.event',
  'orders.order_view',
  'orders.order_address',
  'orders.saga',
  'orders.idempotency',
  'orders.outbox',
  'orders.delivery',
  'orders.inbox',
  'products.reservation',
  'products.reservation_line',
  'products.stock_entry',
  'products.inbox',
  'payments.payment',
  'payments.sandbox_charge',
  'payments.outbox',
  'payments.delivery',
  'notifications.inbox',
  'notifications.mail',
];

export const productGrowthSuite: Suite = {
  name: 'growth-products',
  about: 'reads, lists, searches and orders at 10,000, 100,000 and 1,000,000 products; takes many minutes',
  onlyNamed: true,
  run: growProducts,
};

export const orderGrowthSuite: Suite = {
  name: 'growth-orders',
  about: 'orders with 10,000 and 1,000,000 of them in the tables; takes many minutes',
  onlyNamed: true,
  run: growOrders,
};

async function growProducts(bench: Bench): Promise<Figure[]> {
  const servers = await startServers(bench);
  const databaseUrl = await servers.createDatabase('growth');
  const shop = await startShop(bench, servers, databaseUrl);
  const load = startLoad(bench);
  const read = reader(bench, servers, load);
  const figures: Figure[] = [];
  const smallest: Record<string, Rounds> = {};
  let present = 0;
  for (const count of PRODUCTS) {
    await fillCatalogue(bench, shop, count, present);
    present = count;
    await servers.query(databaseUrl, async (sql) => {
      await sql`vacuum analyze`;
      await sql`checkpoint`;
    });
    const ids = await servers.query(
      databaseUrl,
      (sql) => sql<{ id: string }[]>`select id from products.product order by random() limit ${READ}`,
    );
    const paths = ids.map(({ id }) => `/api/v1/products/${id}`);
    // The smallest catalogue has no page 1,000.
    const page = Math.min(DEEP_PAGE, Math.floor(count / PAGE) - 1);
    const lists = await listPaths(shop, page);
    const searched = searchPaths();
    const ordered = Array.from({ length: ORDERED }, (_, index) =>
      skuOf(Math.floor((index * count) / ORDERED)),
    );
    const tokens = await signUpCustomers(shop, CUSTOMERS);
    const sides = {
      'read.cold': () => read(shop, paths),
      'list.first': () => read(shop, [lists.first]),
      'list.deep': () => read(shop, [lists.deep]),
      search: () => read(shop, searched),
      'order.c32': () =>
        placeOrders({
          servers,
          shop,
          load,
          tokens,
          skus: ordered,
          lines: 2,
          clients: CLIENTS,
          seconds: bench.seconds,
        }),
    };
    const say = (text: string) => bench.say(`${count} products, ${text}`);
    // Once more where the process is new: later catalogues find it warm, and all are held against this one.
    if (count === PRODUCTS[0]) await inTurn(sides, { rounds: WARM_UP_ROUNDS, say });
    const measured = await inTurn(sides, { rounds: bench.rounds, say });
    for (const [name, { rate }] of Object.entries(measured)) {
      smallest[name] ??= rate;
      const unit = name === 'order.c32' ? 'orders/s' : 'requests/s';
      const note = name === 'list.deep' ? `page ${page}` : undefined;
      figures.push(figure(`${name}.products.${shortOf(count)}`, unit, rate, smallest[name], note));
    }
  }
  return figures;
}

async function growOrders(bench: Bench): Promise<Figure[]> {
  const servers = await startServers(bench);
  const databaseUrl = await servers.createDatabase('growth');
  const shop = await startShop(bench, servers, databaseUrl);
  await fillCatalogue(bench, shop, ORDERED);
  const load = startLoad(bench);
  const tokens = () => signUpCustomers(shop, CUSTOMERS);
  const work = { kind: 'order', skus: skus(ORDERED), lines: 2, currency: CURRENCY } as const;
  bench.say(`${PLACED} orders to copy`);
  await load.run({
    url: shop.url,
    clients: CLIENTS,
    seconds: PLACED_MAX_SECONDS,
    count: PLACED,
    work: { ...work, tokens: await tokens() },
  });
  await drain(servers, databaseUrl);
  const figures: Figure[] = [];
  let smallest: Rounds | undefined;
  for (const wanted of ORDERS) {
    const present = await servers.query(databaseUrl, async (sql) => {
      const [span] = await sql`
        select count(*)::int as count, extract(epoch from max(created_at) - min(created_at))::float8 as seconds
        from orders.order_view`;
      bench.say(`copying ${span?.count} orders to ${wanted}`);
      const rows = await cloneRows(sql, {
        tables: ORDER_TABLES,
        copies: Math.round(wanted / span?.count) - 1,
        stepMs: Math.ceil(span?.seconds * 1_000) + 1,
        // Copies are other customers' orders of the same goods.
        sameIds: ['variant_id'],
      });
      await sql`vacuum analyze`;
      await sql`checkpoint`;
      return rows['orders.order_view'];
    });
    const options = { servers, shop, load, tokens: await tokens(), skus: skus(ORDERED), lines: 2 };
    const { c32 } = await inTurn(
      { c32: () => placeOrders({ ...options, clients: CLIENTS, seconds: bench.seconds }) },
      { rounds: bench.rounds, say: (text) => bench.say(`${present} orders, ${text}`) },
    );
    smallest ??= c32.rate;
    const name = `order.c32.orders.${shortOf(wanted)}`;
    figures.push(
      figure(name, 'orders/s', c32.rate, smallest, `with ${present} orders in the tables`),
      figure(`${name}.p99`, 'ms', c32.p99Ms),
      figure(`${name}.cpu.postgres`, 'µs/order', c32.postgresCpuUs),
    );
  }
  return figures;
}

function shortOf(count: number): string {
  return count >= 1_000_000 ? `${count / 1_000_000}M` : `${count / 1_000}k`;
}
