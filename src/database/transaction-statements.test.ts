import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openPlatformDatabase } from '../testing/database.ts';
import type { Database, Transaction } from './database.ts';
import type { Engine } from './engine.ts';

let engine: Engine;
let database: Database;
beforeAll(async () => {
  ({ engine, database } = await openPlatformDatabase());
  await database.rows(sql`create table test.line (n integer primary key, place bigserial)`);
});
afterAll(() => engine.close());
beforeEach(() => database.rows(sql`delete from test.line`));

const insert = (tx: Transaction, n: number) =>
  tx.rows(sql`insert into test.line (n) values (${n}::int) returning n`);
const lines = () => database.rows<{ n: number }>(sql`select n from test.line order by place`);

describe('statements of a transaction that do not wait for one another', () => {
  it('run in their order and each get their own rows', async () => {
    const [first, rows, last] = await database.transaction((tx) =>
      Promise.all([insert(tx, 2), tx.rows(sql`select n from test.line`), insert(tx, 1)]),
    );
    expect([first, rows, last]).toEqual([[{ n: 2 }], [{ n: 2 }], [{ n: 1 }]]);
    expect(await lines()).toEqual([{ n: 2 }, { n: 1 }]);
  });

  it('are committed although nobody waits for them', async () => {
    await database.transaction(async (tx) => {
      for (const n of [3, 1, 2]) void insert(tx, n);
    });
    expect(await lines()).toEqual([{ n: 3 }, { n: 1 }, { n: 2 }]);
  });

  it('fail it by the first failure among them, whichever is looked at', async () => {
    const works: ((tx: Transaction) => Promise<unknown>)[] = [
      (tx) => Promise.all([insert(tx, 1), insert(tx, 1), insert(tx, 2)]),
      async (tx) => {
        for (const n of [1, 1, 2]) void insert(tx, n);
      },
      async (tx) => {
        for (const n of [1, 1]) void insert(tx, n);
        await insert(tx, 2);
      },
      async (tx) => {
        await insert(tx, 1);
        await insert(tx, 1).catch(() => undefined);
      },
    ];
    for (const work of works) {
      await expect(database.transaction(work)).rejects.toMatchObject({ code: '23505' });
      expect(await lines()).toEqual([]);
    }
  });

  it('are refused once it has ended, rather than done in the next one', async () => {
    let ended: Transaction | undefined;
    await database.transaction(async (tx) => {
      ended = tx;
    });
    await database.transaction(async (tx) => {
      await expect(insert(ended!, 1)).rejects.toThrow('before its transaction has ended');
      await insert(tx, 2);
    });
    expect(await lines()).toEqual([{ n: 2 }]);
  });
});
