import { randomInt } from 'node:crypto';
import { sql } from 'drizzle-orm';
import type { Database } from '../database/database.ts';
import { openPostgres } from '../database/postgres.ts';
import { sleep, withDeadline } from '../deadline.ts';
import { isUnavailable } from '../errors.ts';
import type { PostgresServer } from './servers/postgres-server.ts';

export interface StressOptions {
  readonly durationMs: number;
  /** Ends a random session this often. */
  readonly terminateEveryMs: number;
  /** Cancels what a random session does this often, which leaves it alive. */
  readonly cancelEveryMs: number;
  /** Restarts of the server without warning, spread over the duration. */
  readonly restarts: number;
}

export interface StressFigures {
  readonly acknowledged: number;
  /** Transactions that failed as unavailable: they may have been done or not. */
  readonly refused: number;
  readonly terminated: number;
  readonly cancelled: number;
  readonly restarts: number;
  /** Acknowledged transactions that are not there. */
  readonly lost: number;
  /** Transactions of which only some statements are there. */
  readonly halves: number;
  /** Failures other than `unavailable`, and errors outside of any promise. */
  readonly unexpected: readonly unknown[];
  /** Transactions that did not end within 10 s after the last fault. */
  readonly unsettled: number;
  /** Sessions that worked at the same time after the last fault, and how long it took to have them. */
  readonly sessionsAtOnce: number;
  readonly wholeAfterMs: number;
}

const WRITERS = 8;
const POOL = 6;
const WHOLE_MS = 10_000;

/**
 * Writers do transactions of three statements on one engine, one by one or together, while their statements are
 * cancelled, their sessions ended and the server is restarted, and the rows are compared with what was acknowledged.
 * Takes the server's table `stress`.
 */
export async function stressDatabase(server: PostgresServer, options: StressOptions): Promise<StressFigures> {
  const login = { prepare: true, url: server.url };
  const writer = openPostgres({ ...login, applicationName: 'stress' }, POOL);
  const admin = openPostgres({ ...login, applicationName: 'stress admin' }, 1);
  const database = writer.database('public');
  const control = admin.database('public');
  const acknowledged: number[] = [];
  const unexpected: unknown[] = [];
  const count = { refused: 0, terminated: 0, cancelled: 0, restarts: 0 };
  const note = (error: unknown) => unexpected.push(error);
  process.on('uncaughtException', note);
  process.on('unhandledRejection', note);

  await control.rows(sql`drop table if exists stress`);
  await control.rows(sql`
    create table stress (id integer, part integer, note text, primary key (id, part))`);
  let ids = 0;
  let isOver = false;

  async function write(): Promise<void> {
    while (!isOver) {
      ids += 1;
      const id = ids;
      try {
        await database.transaction(async (tx) => {
          const steps = [
            () => tx.rows(sql`insert into stress (id, part) values (${id}::int, 1)`),
            () => tx.rows(sql`insert into stress (id, part) values (${id}::int, 2), (${id}::int, 3)`),
            () => tx.rows(sql`update stress set note = ${'x'.repeat(id % 3_000)} where id = ${id}::int`),
          ];
          if (id % 2 === 0) await Promise.all(steps.map((step) => step()));
          else for (const step of steps) await step();
        });
        acknowledged.push(id);
      } catch (error) {
        if (isUnavailable(error)) count.refused += 1;
        else note(error);
        // Clients of a shop would pause as well.
        await sleep(randomInt(10));
      }
    }
  }

  /** Does this to a random session of the writers, again and again. */
  async function disturb(how: 'terminate' | 'cancel', everyMs: number, what: 'terminated' | 'cancelled') {
    while (!isOver) {
      await sleep(everyMs);
      // While the server is down there is nobody to disturb.
      const rows = await control
        .rows(sql`
          select ${sql.identifier(`pg_${how}_backend`)}(pid) from pg_stat_activity
          where application_name = 'stress' order by random() limit 1`)
        .catch(() => []);
      count[what] += rows.length;
    }
  }

  async function restart(): Promise<void> {
    for (let n = 0; n < options.restarts; n += 1) {
      await sleep(options.durationMs / (options.restarts + 1));
      await server.restart('immediate');
      count.restarts += 1;
    }
  }

  const writers = Array.from({ length: WRITERS }, write);
  let running = writers.length;
  for (const each of writers) void each.finally(() => (running -= 1));
  const disturbing = [
    disturb('terminate', options.terminateEveryMs, 'terminated'),
    disturb('cancel', options.cancelEveryMs, 'cancelled'),
  ];
  await Promise.all([restart(), sleep(options.durationMs)]);
  isOver = true;
  await Promise.all(disturbing);
  const faultsEndedAt = performance.now();
  await withDeadline(Promise.all(writers), WHOLE_MS, 'the writers').catch(() => undefined);

  let sessionsAtOnce = 0;
  // The last session that was ended may not have noticed yet.
  while (sessionsAtOnce < POOL && performance.now() - faultsEndedAt < WHOLE_MS)
    sessionsAtOnce = await countTogether(database);
  const wholeAfterMs = Math.round(performance.now() - faultsEndedAt);

  const [rows] = await control.rows<{ lost: number; halves: number }>(sql`
    with acknowledged as (select value::int as id from jsonb_array_elements_text(${JSON.stringify(acknowledged)}::jsonb))
    select
      (select count(*)::int from acknowledged a where not exists (select from stress s where s.id = a.id)) as lost,
      (select count(*)::int from (
        select id from stress group by id having count(*) <> 3 or count(note) <> 3) as broken) as halves`);
  await writer.close();
  await admin.close();
  // What is late shows up in the next turns of the loop.
  await sleep(100);
  process.off('uncaughtException', note);
  process.off('unhandledRejection', note);
  return {
    acknowledged: acknowledged.length,
    ...count,
    lost: rows?.lost ?? -1,
    halves: rows?.halves ?? -1,
    unexpected,
    unsettled: running,
    sessionsAtOnce,
    wholeAfterMs,
  };
}

/** How many transactions are inside at the same time: each waits for all the others, or for a second. */
async function countTogether(database: Database): Promise<number> {
  let inside = 0;
  const all = Promise.withResolvers<void>();
  const work = Array.from({ length: POOL }, () =>
    database.transaction(async (tx) => {
      await tx.rows(sql`select pg_backend_pid()`);
      inside += 1;
      if (inside === POOL) all.resolve();
      await Promise.race([all.promise, sleep(1_000)]);
    }),
  );
  await Promise.allSettled(work);
  return inside;
}
