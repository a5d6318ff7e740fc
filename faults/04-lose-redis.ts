import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import type postgres from 'postgres';
import { sleep } from '../src/deadline.ts';
import type { Cluster } from './cluster.ts';
import { refuseCommits } from './failpoints.ts';
import { type Fault, pickNumber } from './fault.ts';
import type { Load } from './load.ts';
import { schemas } from './settle.ts';
import { underLoad } from './under-load.ts';

/** Only what is tried again travels through Redis, so that some handlers fail. */
const FAILING_SHARE = 0.08;
/** From the return of Redis until every event from before is delivered. */
const DELIVERED_MS = 60_000;
const LOOK_MS = 500;

interface Loss {
  /** Down for this long; undefined: it stays, and is emptied. */
  readonly downMs?: number;
  /** It comes back with nothing, as it does without persistence. */
  readonly empty: boolean;
}

/** Takes Redis away, with and without what was in it: orders go on, and every event arrives. */
export const fault: Fault = {
  number: 4,
  name: 'lose-redis',
  anyPlacement: true,
  run(context) {
    const { short, random, seed, placement } = context;
    return underLoad(context, {
      cluster: {
        redis: { appendonly: true },
        env: ({ role, start }) => (role === 'worker' ? refuseCommits(FAILING_SHARE, seed + start) : {}),
      },
      load: {
        ordersPerSecond: short ? 40 : 25,
        // Where payment and order are apart, an order whose charge ends by webhook waits for an event, which Redis
        // carries: soon every lane would wait for one of those, and nobody be left to show that the others go on.
        plain: placement !== undefined,
      },
      async inject({ cluster, load }, say) {
        const losses = plan(short);
        const problems: string[] = [];
        const notes: string[] = [];
        for (const [index, loss] of losses.entries()) {
          const name = nameOf(loss);
          say(`loss ${index + 1} of ${losses.length}: ${name}`);
          await sleep(pickNumber(random, short ? 1_000 : 2_000, short ? 2_000 : 4_000));
          problems.push(...(await lose(cluster, load, loss)));
          const { tookMs, left } = await awaitDelivery(cluster);
          if (left > 0) problems.push(`${name}: ${left} events were not delivered ${DELIVERED_MS} ms later`);
          notes.push(`${name}: delivered in ${(tookMs / 1_000).toFixed(1)} s`);
        }
        return { injected: losses.length, problems, notes };
      },
    });
  },
};

function plan(short: boolean): readonly Loss[] {
  if (short) {
    return [
      { downMs: 2_000, empty: false },
      { empty: true },
      { downMs: 2_000, empty: true },
      { downMs: 6_000, empty: true },
      { empty: true },
    ];
  }
  const outages = [2_000, 10_000, 25_000, 60_000].flatMap((downMs) => [
    { downMs, empty: false },
    { downMs, empty: true },
  ]);
  return [...outages, ...Array.from({ length: 5 }, () => ({ empty: true }))];
}

function nameOf({ downMs, empty }: Loss): string {
  if (downMs === undefined) return 'FLUSHALL';
  return `down ${downMs / 1_000} s${empty ? ', all lost' : ''}`;
}

async function lose({ redis }: Cluster, load: Load, { downMs, empty }: Loss): Promise<string[]> {
  if (downMs === undefined) {
    const client = new Redis(redis.url);
    await client.flushall();
    await client.quit();
    return [];
  }
  await redis.kill('SIGKILL');
  const before = load.acknowledged;
  await sleep(downMs);
  const during = load.acknowledged - before;
  if (empty) rmSync(join(redis.folder, 'appendonlydir'), { recursive: true, force: true });
  await redis.start();
  return during > 0 ? [] : [`no order was acknowledged while Redis was down for ${downMs} ms`];
}

/** Waits for the events that are on their way now, and counts those that do not arrive in time. */
async function awaitDelivery(cluster: Cluster): Promise<{ tookMs: number; left: number }> {
  const startedMs = performance.now();
  return await cluster.query(async (sql) => {
    let left = await listUndelivered(sql);
    while (left.size > 0 && performance.now() - startedMs < DELIVERED_MS) {
      await sleep(LOOK_MS);
      const now = await listUndelivered(sql);
      left = new Set([...left].filter((delivery) => now.has(delivery)));
    }
    return { tookMs: performance.now() - startedMs, left: left.size };
  });
}

async function listUndelivered(sql: postgres.Sql): Promise<Set<string>> {
  const rows = await sql.unsafe<{ name: string }[]>(
    schemas
      .map(
        (schema) =>
          `select event_id || ' ' || consumer as name from ${schema}.delivery where state in ('pending', 'leased', 'parked')`,
      )
      .join(' union all '),
  );
  return new Set(rows.map(({ name }) => name));
}
