import { CURRENCY, fillCatalogue, signUpCustomers, skus } from '../catalogue.ts';
import { drain } from '../drain.ts';
import { figure, inTurn, roundsOf } from '../in-turn.ts';
import { startBullmq } from '../limits/bullmq.ts';
import { percentile } from '../load/latencies.ts';
import { startLoad } from '../load/load.ts';
import { startServers, startShop } from '../stack.ts';
import type { Suite } from '../suite.ts';
import { countUndelivered, drainRate, lagsOf, readDelivered } from './event-lag.ts';

const SKUS = 1_000;
const CUSTOMERS = 20;
const CLIENTS = 32;
/** Orders whose events wait before any worker is there; each is handled by two consumers. */
const BACKLOG_ORDERS = 2_000;
const BACKLOG_MAX_SECONDS = 60;

export const eventsSuite: Suite = {
  name: 'events',
  about: "from an event's commit to its consumer's, at half load, and how fast a backlog drains",
  async run(bench) {
    const servers = await startServers(bench, { track_commit_timestamp: 'on' });
    const databaseUrl = await servers.createDatabase('events');
    const load = startLoad(bench);
    const shop = await startShop(bench, servers, databaseUrl);
    await fillCatalogue(bench, shop, SKUS);
    const tokens = await signUpCustomers(shop, CUSTOMERS);
    const work = { kind: 'order', skus: skus(SKUS), lines: 2, currency: CURRENCY, tokens } as const;
    const plan = { url: shop.url, clients: CLIENTS, seconds: bench.seconds, work };

    bench.say('full load, to know the half of it');
    await load.run(plan);
    const full = await load.run(plan);
    await drain(servers, databaseUrl);
    const half = async () => {
      const since = Date.now();
      const { rate } = await load.run({ ...plan, pace: full.rate / 2 });
      await drain(servers, databaseUrl);
      const lags = lagsOf(await servers.query(databaseUrl, (sql) => readDelivered(sql, since)));
      return { rate, p50Ms: percentile(lags, 0.5), p99Ms: percentile(lags, 0.99) };
    };
    const { half: lag } = await inTurn({ half }, { rounds: bench.rounds, say: bench.say });
    await shop.stop();

    bench.say(`a backlog of the events of ${BACKLOG_ORDERS} orders`);
    const taker = await startShop(bench, servers, databaseUrl, { name: 'http', env: { ROLES: 'http' } });
    const since = Date.now();
    await load.run({
      url: taker.url,
      clients: CLIENTS,
      seconds: BACKLOG_MAX_SECONDS,
      count: BACKLOG_ORDERS,
      work,
    });
    await taker.stop();
    const waiting = await servers.query(databaseUrl, countUndelivered);
    await startShop(bench, servers, databaseUrl, { name: 'worker', env: { ROLES: 'worker' } });
    await drain(servers, databaseUrl);
    const delivered = await servers.query(databaseUrl, (sql) => readDelivered(sql, since));
    if (delivered.length !== waiting)
      throw new Error(`${waiting} deliveries waited, and ${delivered.length} were handled`);
    const bullmq = await startBullmq(bench, servers.redis.url);
    const alone = await inTurn(
      { bullmq: async () => ({ rate: await bullmq.rate() }) },
      { rounds: bench.rounds, say: bench.say },
    );

    const note = `at ${Math.round(lag.rate.median)} orders/s, half of ${Math.round(full.rate)}; from commit to commit`;
    return [
      figure('events.p50', 'ms', lag.p50Ms, undefined, note),
      figure('events.p99', 'ms', lag.p99Ms),
      figure(
        'events.drain',
        'deliveries/s',
        roundsOf([drainRate(delivered)]),
        alone.bullmq.rate,
        `${waiting} deliveries with their effects, one worker; the limit is BullMQ's adding and processing of empty jobs`,
      ),
    ];
  },
};
