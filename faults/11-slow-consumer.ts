import { join } from 'node:path';
import { sleep } from '../src/deadline.ts';
import { DELIVERY_ATTEMPTS, RELAY_CONCURRENCY } from '../src/limits.ts';
import type { Cluster } from './cluster.ts';
import type { Fault } from './fault.ts';
import { percentiles } from './load.ts';
import { isPoison, type Obstacle, obstacleSettings, placeObstacle } from './obstacle.ts';
import type { Attempt } from './rotating-client.ts';
import { type UnderLoad, underLoad } from './under-load.ts';
import { waitFor } from './wait-for.ts';

const CONSUMER = 'notification';
const WORKERS = 2;
/** So that all lanes of both relays together handle one event a second. */
const HANDLING_MS = RELAY_CONCURRENCY * WORKERS * 1_000;
/** Ten tries with their waits take four minutes; what waited behind slow ones begins late. */
const PARKED_MS = 600_000;
const HANDLED_MS = 120_000;
/** A command takes a second or two to start. */
const OPERATORS = 3;
/** Below this the noise of a shared machine is larger than what twice as long could tell. */
const PLACING_FLOOR_MS = 250;
/** A relay that missed a hint looks after a second, which is no fault of the slow consumer. */
const LAG_FLOOR_MS = 1_000;

/**
 * The mail module takes one event a second and fails for good with one in a hundred, while orders go on. Placing
 * orders and the other consumer of the same events must not feel it; what fails is parked and listed, and goes out
 * once an operator retries it.
 */
export const fault: Fault = {
  number: 11,
  name: 'slow-consumer',
  run(context) {
    const { short } = context;
    const file = join(context.folder, 'obstacle.json');
    // A short run has few events, and must have some poison among them.
    const poisonIn = short ? 40 : 100;
    const quietMs = short ? 10_000 : 60_000;
    const slowMs = short ? 15_000 : 300_000;
    return underLoad(context, {
      cluster: { workers: WORKERS, env: () => obstacleSettings(file) },
      // What a card's provider takes would hide what the shop takes.
      load: { plain: true, ordersPerSecond: short ? 25 : 12 },
      async inject(running, say) {
        const { cluster } = running;
        say('measuring without the fault');
        const quiet = await measure(running, quietMs);
        say(`${CONSUMER} takes one event a second`);
        const obstacle: Obstacle = { consumer: CONSUMER, handlingMs: HANDLING_MS, poisonIn };
        placeObstacle(file, obstacle);
        const slow = await measure(running, slowMs);
        const poisonUntil = await readClock(cluster);
        const behind = await countBehind(cluster);
        placeObstacle(file, { ...obstacle, handlingMs: 0, poisonUntil });
        const wanted = { poisonIn, poisonUntil };
        if (short) await forgetPatience(cluster, wanted);
        const problems = [
          ...compare('placing an order', quiet.placing, slow.placing, PLACING_FLOOR_MS),
          ...compare("the product module's lag", quiet.lag, slow.lag, LAG_FLOOR_MS),
          ...(await expectParked(cluster, wanted, say)),
        ];
        placeObstacle(file, undefined);
        const poison = (await readPoison(cluster, wanted)).map(({ id }) => id);
        problems.push(...(await retryAll(cluster, poison, say)));
        const ms = ({ p99 }: { p99: number }) => `${Math.round(p99)} ms`;
        return {
          injected: poison.length,
          problems,
          notes: [
            `p99 of placing an order ${ms(quiet.placing)} without and ${ms(slow.placing)} with it`,
            `p99 of the product module's lag ${ms(quiet.lag)} and ${ms(slow.lag)}`,
            `${CONSUMER} was ${behind} events behind`,
            `${poison.length} poison events parked, listed and retried`,
          ],
        };
      },
    });
  },
};

type Percentiles = ReturnType<typeof percentiles>;

/** How long orders and the product module's events took in the next `forMs`. */
async function measure({ cluster, load }: UnderLoad, forMs: number) {
  const from = await readClock(cluster);
  const fromMs = performance.now();
  await sleep(forMs);
  const isPlaced = ({ method, path, startedMs, outcome }: Attempt) =>
    method === 'POST' && path === '/orders' && outcome === '201' && startedMs >= fromMs;
  const placing = percentiles(load.attempts.filter(isPlaced).map(({ durationMs }) => durationMs));
  const lags = await cluster.query(
    (sql) => sql<{ ms: number }[]>`
      select extract(epoch from coalesce(i.at, now()) - o.at)::float8 * 1000 as ms
      from orders.outbox o left join products.inbox i on i.event_id = o.id
      where o.type = 'order.paid.v1' and o.at >= ${from}`,
  );
  return { placing, lag: percentiles(lags.map(({ ms }) => ms)) };
}

function compare(what: string, quiet: Percentiles, slow: Percentiles, floorMs: number): string[] {
  const boundMs = 2 * Math.max(quiet.p99, floorMs);
  if (slow.p99 < boundMs) return [];
  return [
    `p99 of ${what} was ${Math.round(quiet.p99)} ms without and ${Math.round(slow.p99)} ms with the fault`,
  ];
}

/** The database's time, as events carry it. */
async function readClock(cluster: Cluster): Promise<string> {
  return await cluster.query(async (sql) => {
    const [clock] = await sql<{ at: Date }[]>`select now() as at`;
    return clock!.at.toISOString();
  });
}

interface OpenEvent {
  readonly id: string;
  readonly at: string;
  readonly stream: string;
  readonly state: string;
}

type Poison = Required<Pick<Obstacle, 'poisonIn' | 'poisonUntil'>>;

/**
 * The poison events from the time of the fault, with what became of their deliveries. Of several of one order the first
 * alone: it holds back the others.
 */
async function readPoison(cluster: Cluster, poison: Poison): Promise<OpenEvent[]> {
  const events = await cluster.query(
    (sql) => sql<OpenEvent[]>`
      select o.id, to_char(o.at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as at, o.stream, d.state
      from orders.outbox o join orders.delivery d on d.event_id = o.id and d.consumer = ${CONSUMER}
      where not exists (
        select 1 from notifications.inbox i where i.event_id = o.id and i.at <= ${poison.poisonUntil})
      order by o.stream, o.version desc`,
  );
  const poisonous = events.filter((event) => isPoison(event, poison));
  return [...new Map(poisonous.map((event) => [event.stream, event])).values()];
}

/** How many events the slow consumer has not handled. */
async function countBehind(cluster: Cluster): Promise<number> {
  return await cluster.query(async (sql) => {
    const [row] = await sql<{ count: number }[]>`
      select count(*)::int from orders.delivery where consumer = ${CONSUMER} and state in ('pending', 'leased')`;
    return row?.count ?? 0;
  });
}

/** For a short run: as if every poison event had been tried for minutes already. Its last tries are real, and follow each other at once. */
async function forgetPatience(cluster: Cluster, poison: Poison): Promise<void> {
  await waitFor(HANDLED_MS, 'every poison event to fail for good', async () => {
    const events = await readPoison(cluster, poison);
    await cluster.query(
      (sql) => sql`
        update orders.delivery set attempts = greatest(attempts, ${DELIVERY_ATTEMPTS - 2}), due_at = now()
        where consumer = ${CONSUMER} and event_id = any(${events.map(({ id }) => id)})
          and state = 'pending' and attempts > 0`,
    );
    return events.every(({ state }) => state === 'parked');
  });
}

/** Waits until all poison is parked, and holds what the command lists against it. */
async function expectParked(
  cluster: Cluster,
  poison: Poison,
  say: (text: string) => void,
): Promise<string[]> {
  await waitFor(PARKED_MS, 'every poison event to be parked', async () => {
    const events = await readPoison(cluster, poison);
    const parked = events.filter(({ state }) => state === 'parked').length;
    say(`${parked} of ${events.length} poison events are parked`);
    return parked === events.length;
  });
  const expected = (await readPoison(cluster, poison)).map(({ id }) => id);
  if (expected.length === 0) return ['no event was poison'];
  const { code, out, err } = await cluster.command('events', 'parked', '--json', '--limit', '10000');
  if (code !== 0) return [`events parked ended with ${code}: ${err}`];
  const listed = out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { eventId: string; consumer: string; lastError: string | null });
  const problems: string[] = [];
  for (const { eventId, consumer, lastError } of listed) {
    if (!expected.includes(eventId))
      problems.push(`event ${eventId} is parked and was no poison: ${lastError}`);
    if (consumer !== CONSUMER) problems.push(`event ${eventId} is parked for ${consumer}`);
    if (!lastError?.includes('poisoned')) problems.push(`event ${eventId} is parked for: ${lastError}`);
  }
  const names = new Set(listed.map(({ eventId }) => eventId));
  const unlisted = expected.filter((id) => !names.has(id));
  return [...problems, ...unlisted.map((id) => `event ${id} was poison and is not listed as parked`)];
}

/** As an operator does once the cause is gone; resolves when all of them were handled. */
async function retryAll(
  cluster: Cluster,
  poison: readonly string[],
  say: (text: string) => void,
): Promise<string[]> {
  const problems: string[] = [];
  const left = [...poison];
  const operators = Array.from({ length: OPERATORS }, async () => {
    for (let id = left.pop(); id !== undefined; id = left.pop()) {
      say(`retrying poison events, ${left.length} to go`);
      const { code, err } = await cluster.command('events', 'retry', id);
      if (code !== 0) problems.push(`events retry ${id} ended with ${code}: ${err}`);
    }
  });
  await Promise.all(operators);
  await waitFor(HANDLED_MS, 'the retried events', async () => {
    const handled = await cluster.query(
      (sql) => sql`select 1 from notifications.inbox where event_id = any(${[...poison]})`,
    );
    return handled.length === poison.length;
  });
  return problems;
}
