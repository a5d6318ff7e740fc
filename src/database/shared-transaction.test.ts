import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { currentContext, runInContext } from '../context.ts';
import { AppError } from '../errors.ts';
import { SHARED_TRANSACTIONS } from '../limits.ts';
import { newTrace } from '../telemetry/trace-context.ts';
import { openPlatformDatabase, testEngine } from '../testing/database.ts';
import type { Database, Transaction } from './database.ts';
import type { Engine } from './engine.ts';

let engine: Engine;
let database: Database;

beforeAll(async () => {
  ({ engine, database } = await openPlatformDatabase());
  await database.rows(
    sql`create table test.note (id int primary key, transaction bigint default txid_current())`,
  );
});
afterAll(() => engine.close());
beforeEach(() => database.rows(sql`delete from test.note`));

const note = (id: number) => (tx: Transaction) =>
  tx.rows<{ id: number }>(sql`insert into test.note (id) values (${id}::int) returning id`);

async function noted(): Promise<{ ids: number[]; transactions: number }> {
  const rows = await database.rows<{ id: number; transaction: number }>(
    sql`select id, transaction from test.note order by id`,
  );
  return { ids: rows.map(({ id }) => id), transactions: new Set(rows.map((row) => row.transaction)).size };
}

describe('a shared transaction', () => {
  it('commits once for all that is asked for at the same time, and gives each its own result', async () => {
    const results = await Promise.all([1, 2, 3].map((id) => database.sharedTransaction(note(id))));
    expect(results).toEqual([[{ id: 1 }], [{ id: 2 }], [{ id: 3 }]]);
    expect(await noted()).toEqual({ ids: [1, 2, 3], transactions: 1 });
  });

  it.each([
    ['a constraint', note(1)],
    [
      'its own decision',
      async (tx: Transaction) => {
        await note(4)(tx);
        throw new AppError('conflict', 'changed_my_mind', 'no');
      },
    ],
  ])('that fails by %s keeps what the others did and nothing of its own', async (_, failing) => {
    await database.rows(sql`insert into test.note (id) values (1)`);
    const committed: string[] = [];
    const telling = (id: number) => async (tx: Transaction) => {
      tx.onCommit(() => committed.push(`note ${id}`));
      await note(id)(tx);
    };
    const results = await Promise.allSettled(
      [telling(2), failing, telling(3)].map((work) => database.sharedTransaction<unknown>(work)),
    );
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect((await noted()).ids).toEqual([1, 2, 3]);
    expect(committed.toSorted()).toEqual(['note 2', 'note 3']);
  });

  it('runs each work in its own request, and refuses to nest', async () => {
    const seen: (string | undefined)[] = [];
    const from = (requestId: string) =>
      runInContext({ requestId, ...newTrace() }, () =>
        database.sharedTransaction(async (tx) => {
          await tx.rows(sql`select 1 as one`);
          seen.push(currentContext()?.requestId);
          await expect(database.sharedTransaction(note(9))).rejects.toThrow('inside a transaction');
        }),
      );
    await Promise.all(['a', 'b'].map(from));
    expect(seen).toEqual(['a', 'b']);
  });

  // One session has no one to wait for.
  it.runIf(testEngine === 'postgres')('does not make all wait for the locks of a few', async () => {
    await database.rows(sql`insert into test.note (id) values (1), (2)`);
    const locked = Promise.withResolvers<void>();
    const free = Promise.withResolvers<void>();
    const holder = database.transaction(async (tx) => {
      await tx.rows(sql`select from test.note for update`);
      locked.resolve();
      await free.promise;
    });
    await locked.promise;
    const touch = (id: number) =>
      database.sharedTransaction((tx) =>
        tx.rows(sql`update test.note set transaction = 0 where id = ${id}::int`),
      );
    // Each in a transaction of its own, in every lane there is.
    const waiting: Promise<unknown>[] = [];
    for (let lane = 0; lane < SHARED_TRANSACTIONS; lane += 1) {
      waiting.push(touch(1 + (lane % 2)));
      await new Promise(setImmediate);
    }
    // They are answered although the locks are never given before that.
    await database.sharedTransaction(note(3));
    await database.sharedTransaction(note(4));
    free.resolve();
    await Promise.all([holder, ...waiting]);
    expect(await noted()).toEqual({ ids: [1, 2, 3, 4], transactions: 3 });
  });
});
