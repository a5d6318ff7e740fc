import { setImmediate } from 'node:timers/promises';
import { sql } from 'drizzle-orm';
import { integer, pgTable } from 'drizzle-orm/pg-core';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { sleep } from '../deadline.ts';
import { AppError } from '../errors.ts';
import { POOL_QUEUE, SESSION_STATEMENTS } from '../limits.ts';
import { createTestDatabase, type TestDatabase } from '../testing/test-database.ts';
import type { Database } from './database.ts';
import { openPostgres, type PostgresEngine } from './postgres.ts';
import { openConnection, type PostgresLogin, requirePatchedDriver } from './postgres-connection.ts';
import { type Deadlines, DEADLINES as deadlines } from './postgres-deadlines.ts';

let made: TestDatabase;
let login: PostgresLogin;
let engine: PostgresEngine;
let database: Database;
const counter = pgTable('counter', { id: integer().primaryKey(), n: integer() });

beforeAll(async () => {
  made = await createTestDatabase();
  login = { url: made.url, prepare: true, applicationName: 'banyan test' };
  engine = openPostgres(login, 4);
  database = engine.database('public');
  await database.rows(sql`create table counter (id integer primary key, n integer unique)`);
});
beforeEach(() => database.rows(sql`truncate counter`));
afterAll(async () => {
  await engine.close();
  await made.drop();
});

/** An engine for one test, closed whatever becomes of it. */
async function withEngine<T>(
  max: number,
  work: (engine: PostgresEngine, database: Database) => Promise<T>,
  shortened?: Deadlines,
): Promise<T> {
  const own = openPostgres(login, max, shortened);
  try {
    return await work(own, own.database('public'));
  } finally {
    await own.close();
  }
}

const sessionId = (db: Pick<Database, 'rows'>) =>
  db.rows<{ pid: number }>(sql`select pg_backend_pid() as pid`).then(([row]) => row?.pid);

describe('Postgres handle', () => {
  it('refuses a query, and a second transaction, inside a transaction', async () => {
    const nested = database.transaction(() => database.rows(sql`select 1`));
    await expect(nested).rejects.toThrow('query on the outer handle inside a transaction');
    const twice = database.transaction(() => database.transaction(async () => 1));
    await expect(twice).rejects.toThrow('transaction inside a transaction');
    const builder = database.transaction(async () => database.db.execute(sql`select 1`));
    await expect(builder).rejects.toThrow('query on the outer handle inside a transaction');
  });

  it('goes on after a statement that fails, in and outside a transaction', async () => {
    const divide = (by: number) => database.rows<{ n: number }>(sql`select 10 / ${by}::int as n`);
    await expect(database.rows(sql`select nothing from nowhere`)).rejects.toMatchObject({ code: '42P01' });
    await expect(divide(0)).rejects.toMatchObject({ code: '22012' });
    expect(await divide(5)).toEqual([{ n: 2 }]);
    const failed = database.transaction((tx) => tx.rows(sql`select 1 / 0`));
    await expect(failed).rejects.toMatchObject({ code: '22012' });
    expect(await divide(2)).toEqual([{ n: 5 }]);
  });

  it('runs hooks after a commit only, and gives the types it promises', async () => {
    const trail: string[] = [];
    await database.transaction(async (tx) => {
      tx.onCommit(() => trail.push('hook'));
      trail.push('work');
    });
    const failed = database.transaction(async (tx) => {
      tx.onCommit(() => trail.push('never'));
      throw new Error('rolled back');
    });
    await expect(failed).rejects.toThrow('rolled back');
    expect(trail).toEqual(['work', 'hook']);
    const [row] = await database.rows(sql`select 9007199254740991::bigint as big, '{"a": [1]}'::jsonb as json,
      '2026-01-02T03:04:05.678Z'::timestamptz as at, true as yes, 1.5::float8 as half, null as nothing,
      2::smallint as small, '1.10'::numeric as exact, array[1, 2] as list`);
    expect(row).toEqual({
      big: Number.MAX_SAFE_INTEGER,
      json: { a: [1] },
      at: expect.any(String),
      yes: true,
      half: 1.5,
      nothing: null,
      small: 2,
      exact: '1.10',
      list: '{1,2}',
    });
    await expect(database.rows(sql`select 9007199254740992::bigint as big`)).rejects.toThrow('2^53');
  });

  it('takes parameters of every kind that modules pass', async () => {
    const at = new Date('2026-01-02T03:04:05.678Z');
    const [row] =
      await database.rows(sql`select ${'a'}::text as text, ${7}::int as number, ${true}::boolean as yes,
      ${null}::text as nothing, ${at}::timestamptz = '2026-01-02T03:04:05.678Z' as same, ${{ a: 1 }}::jsonb as json`);
    expect(row).toEqual({ text: 'a', number: 7, yes: true, nothing: null, same: true, json: { a: 1 } });
  });

  it('lets through both the errors of Postgres and our own, from the query builder too', async () => {
    const insert = (db: Database['db']) => db.insert(counter).values({ id: 1, n: 1 }).returning();
    expect(await insert(database.db)).toEqual([{ id: 1, n: 1 }]);
    await expect(insert(database.db)).rejects.toMatchObject({
      code: '23505',
      constraint_name: 'counter_pkey',
    });
    const inside = database.transaction(async (tx) => await insert(tx.db));
    await expect(inside).rejects.toMatchObject({ code: '23505', constraint_name: 'counter_pkey' });
    const refused = new AppError('conflict', 'no_stock', 'there is none');
    await expect(database.transaction(() => Promise.reject(refused))).rejects.toBe(refused);
    await withEngine(1, async (own, there) => {
      await own.close();
      await expect(there.db.select().from(counter)).rejects.toMatchObject({ code: 'database_unavailable' });
    });
  });

  it('does not report work as done whose statement failed unseen', async () => {
    const work = database.transaction(async (tx) => {
      await tx.rows(sql`insert into counter values (1, 1)`);
      await tx.rows(sql`select 1 / 0`).catch(() => undefined);
    });
    await expect(work).rejects.toMatchObject({ code: '22012' });
    expect(await database.rows(sql`select * from counter`)).toEqual([]);
  });

  it('keeps statements that a failed transaction left behind out of the next one', async () => {
    await withEngine(1, async (_own, there) => {
      const late = Promise.withResolvers<unknown>();
      const next = Promise.withResolvers<void>();
      const failed = there.transaction(async (tx) => {
        void next.promise
          .then(() => tx.rows(sql`insert into counter values (666, 666)`))
          .then(late.resolve, late.reject);
        throw new Error('given up');
      });
      await expect(failed).rejects.toThrow('given up');
      await there.transaction(async (tx) => {
        next.resolve();
        await expect(late.promise).rejects.toThrow('before its transaction has ended');
        await tx.rows(sql`insert into counter values (1, 1)`);
      });
      expect(await there.rows(sql`select id from counter`)).toEqual([{ id: 1 }]);
    });
  });

  it('keeps statements under way in a transaction that fails inside it', async () => {
    await withEngine(1, async (_own, there) => {
      const failed = there.transaction((tx) =>
        Promise.all([
          tx.rows(sql`insert into counter values (1, 1)`),
          Promise.reject(new Error('given up')),
          tx.rows(sql`insert into counter values (2, 2)`),
          tx.rows(sql`insert into counter values (3, 3)`),
        ]),
      );
      await expect(failed).rejects.toThrow('given up');
      expect(await there.rows(sql`select id from counter`)).toEqual([]);
    });
  });

  it('prepares each text once in a session', async () => {
    await withEngine(1, async (_own, there) => {
      for (let n = 0; n < 5; n += 1) await there.rows(sql`select ${n}::int as n`);
      const [row] = await there.rows<{ plans: number }>(sql`
        select (generic_plans + custom_plans)::int as plans from pg_prepared_statements
        where statement like 'select $1::int as n'`);
      expect(row?.plans).toBe(5);
    });
  });

  it('renews a session that has prepared too many texts', async () => {
    await withEngine(1, async (_own, there) => {
      const first = await sessionId(there);
      for (let n = 0; n <= SESSION_STATEMENTS; n += 1) await there.rows(sql.raw(`select ${n} as n`));
      expect(await sessionId(there)).not.toBe(first);
    });
  });

  it('answers 503 when a table changed under a prepared transaction, and is right the next time', async () => {
    await database.rows(sql`create table changing (id integer)`);
    await withEngine(1, async (_own, there) => {
      const read = () => there.transaction((tx) => tx.rows(sql`select * from changing where id = ${1}::int`));
      await read();
      await database.rows(sql`alter table changing add column more text`);
      await database.rows(sql`insert into changing values (1, 'more')`);
      await expect(read()).rejects.toMatchObject({ code: 'database_unavailable' });
      expect(await read()).toEqual([{ id: 1, more: 'more' }]);
    });
  });
});

describe('Postgres pool', () => {
  it('refuses at once when too many wait, and serves all the others', async () => {
    await withEngine(2, async (own, there) => {
      const gate = Promise.withResolvers<void>();
      const holders = [1, 2].map(() => there.transaction(() => gate.promise));
      const waiting = Array.from({ length: POOL_QUEUE }, (_, n) =>
        there.rows<{ n: number }>(sql`select ${n}::int as n`),
      );
      expect(own.poolState()).toMatchObject({ busy: 2, waiting: POOL_QUEUE });
      await expect(there.rows(sql`select 1`)).rejects.toMatchObject({
        kind: 'unavailable',
        code: 'database_busy',
      });
      gate.resolve();
      await Promise.all(holders);
      const rows = await Promise.all(waiting);
      expect(rows.map(([row]) => row?.n)).toEqual(Array.from({ length: POOL_QUEUE }, (_, n) => n));
      expect(own.poolState()).toMatchObject({ max: 2, busy: 0, idle: 2, waiting: 0, refused: 1 });
    });
  });

  it('answers whether the server is there while it is full', async () => {
    await withEngine(1, async (own, there) => {
      const gate = Promise.withResolvers<void>();
      const holder = there.transaction(() => gate.promise);
      await own.check();
      expect(own.poolState()).toMatchObject({ busy: 1, waiting: 0 });
      gate.resolve();
      await holder;
    });
  });

  it('never opens more sessions than its budget', async () => {
    await withEngine(3, async (_own, there) => {
      const pids = await Promise.all(Array.from({ length: 50 }, () => sessionId(there)));
      expect(new Set(pids).size).toBeLessThanOrEqual(3);
    });
  });

  it('refuses who has waited too long, and serves the next', async () => {
    await withEngine(
      1,
      async (own, there) => {
        const gate = Promise.withResolvers<void>();
        const holder = there.transaction(() => gate.promise);
        await expect(there.rows(sql`select 1`)).rejects.toMatchObject({ code: 'database_busy' });
        expect(own.poolState()).toMatchObject({ busy: 1, waiting: 0 });
        gate.resolve();
        await holder;
        expect(await there.rows(sql`select 1 as n`)).toEqual([{ n: 1 }]);
      },
      { ...deadlines, waitMs: 30 },
    );
  });

  it('gives its connections back whatever fails on them', async () => {
    await withEngine(2, async (own, there) => {
      for (let n = 0; n < 10; n += 1) {
        await expect(there.rows(sql`select 1 / 0`)).rejects.toThrow();
        const failing = there.transaction(() => Promise.reject(new Error('given up')));
        await expect(failing).rejects.toThrow('given up');
        await expect(there.rows(sql`select pg_terminate_backend(pg_backend_pid())`)).rejects.toThrow();
      }
      expect(own.poolState()).toMatchObject({ busy: 0, waiting: 0 });
      await Promise.all([there.rows(sql`select 1`), there.rows(sql`select 1`)]);
    });
  });

  it('ends a transaction that goes on for too long, and uses its connection again', async () => {
    await withEngine(
      1,
      async (own, there) => {
        const stuck = there.transaction(async (tx) => {
          await tx.rows(sql`insert into counter values (1, 1)`);
          await new Promise(() => undefined);
        });
        await expect(stuck).rejects.toMatchObject({ kind: 'unavailable' });
        expect(await there.rows(sql`select * from counter`)).toEqual([]);
        expect(own.poolState()).toMatchObject({ busy: 0 });
      },
      { ...deadlines, transactionMs: 100 },
    );
  });

  it('lets work end before it closes, and refuses new work', async () => {
    const own = openPostgres(login, 1);
    const there = own.database('public');
    const gate = Promise.withResolvers<void>();
    const working = there.transaction(async (tx) => {
      await gate.promise;
      return await tx.rows(sql`insert into counter values (1, 1) returning id`);
    });
    const waiting = there.rows(sql`select 1 as n`);
    await setImmediate();
    const closing = own.close();
    await expect(there.rows(sql`select 1`)).rejects.toMatchObject({ code: 'database_unavailable' });
    gate.resolve();
    expect(await working).toEqual([{ id: 1 }]);
    expect(await waiting).toEqual([{ n: 1 }]);
    await closing;
    await own.close();
    expect(own.poolState()).toMatchObject({ max: 1, busy: 0, idle: 0, waiting: 0 });
  });

  it('closes over work that never ends, and over those who wait behind it', async () => {
    const own = openPostgres({ ...login, applicationName: 'stuck' }, 1, { ...deadlines, closeMs: 50 });
    const there = own.database('public');
    const gate = Promise.withResolvers<void>();
    const stuck = there.transaction(async (tx) => {
      await tx.rows(sql`insert into counter values (1, 1)`);
      await gate.promise;
      await tx.rows(sql`insert into counter values (2, 2)`);
    });
    const waiting = there.rows(sql`select 1`);
    const refusals = Promise.allSettled([stuck, waiting]);
    await own.close();
    gate.resolve();
    for (const refusal of await refusals) {
      expect(refusal).toMatchObject({ status: 'rejected', reason: { code: 'database_unavailable' } });
    }
    await expect
      .poll(() => database.rows(sql`select pid from pg_stat_activity where application_name = 'stuck'`))
      .toEqual([]);
    expect(await database.rows(sql`select * from counter`)).toEqual([]);
  });
});

describe('one session', () => {
  it('tells the last command of a script', async () => {
    const connection = openConnection(login);
    expect(await connection.exec('begin; select 1; rollback')).toBe('ROLLBACK');
    expect(await connection.exec('begin')).toBe('BEGIN');
    await connection.close();
    expect(connection.usable).toBe(false);
    await expect(connection.exec('commit')).rejects.toMatchObject({ code: 'database_unavailable' });
  });

  it('does not run the rest of a transaction whose session was lost', async () => {
    await withEngine(2, async (_own, there) => {
      const pid = Promise.withResolvers<number | undefined>();
      const gate = Promise.withResolvers<void>();
      const failed = there.transaction(async (tx) => {
        await tx.rows(sql`insert into counter values (1, 1)`);
        pid.resolve(await sessionId(tx));
        await gate.promise;
        await tx.rows(sql`insert into counter values (2, 2)`);
      });
      await database.rows(sql`select pg_terminate_backend(${await pid.promise}::int, 5000)`);
      gate.resolve();
      await expect(failed).rejects.toMatchObject({ code: 'database_unavailable' });
      expect(await there.rows(sql`select * from counter`)).toEqual([]);
    });
  });

  it('rejects all that was sent at once when it is lost, and runs none of it elsewhere', async () => {
    await withEngine(1, async (_own, there) => {
      let statuses: string[] = [];
      const failed = there.transaction(async (tx) => {
        const all = await Promise.allSettled([
          tx.rows(sql`select pg_terminate_backend(pg_backend_pid()), ${1}::int`),
          // These wait in the driver, since it has to prepare each of them first.
          ...[2, 3, 4, 5].map((n) =>
            tx.rows(
              sql`insert into counter select ${n}::int, n from generate_series(${n}::int, ${n}::int) n`,
            ),
          ),
        ]);
        statuses = all.map(({ status }) => status);
      });
      await expect(failed).rejects.toMatchObject({ code: 'database_unavailable' });
      expect(statuses).toEqual(Array(5).fill('rejected'));
      // The driver by itself would dial again within some ms and run them there.
      await sleep(200);
      expect(await there.rows(sql`select * from counter`)).toEqual([]);
    });
  });

  it('forgets an idle session as soon as it is lost', async () => {
    await withEngine(1, async (own, there) => {
      const pid = await sessionId(there);
      await database.rows(sql`select pg_terminate_backend(${pid}::int, 5000)`);
      await expect.poll(() => own.poolState().idle).toBe(0);
      expect(await there.rows(sql`select 1 as n`)).toEqual([{ n: 1 }]);
    });
  });
});

it('refuses the driver without its patch', () => {
  expect(() => requirePatchedDriver()).not.toThrow();
  expect(() => requirePatchedDriver(() => undefined)).toThrow('npx patch-package');
});
