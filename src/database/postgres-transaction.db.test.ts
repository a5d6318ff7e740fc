import { once } from 'node:events';
import { type AddressInfo, connect, createServer, Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { sql } from 'drizzle-orm';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../testing/test-database.ts';
import type { Database, Transaction } from './database.ts';
import { openPostgres } from './postgres.ts';
import { DEADLINES, type Deadlines } from './postgres-deadlines.ts';

let made: TestDatabase;
beforeAll(async () => {
  made = await createTestDatabase();
  await withDatabase((database) =>
    database.rows(
      sql`create table line (n integer primary key, note text, at timestamptz default clock_timestamp())`,
    ),
  );
});
afterAll(() => made.drop());
beforeEach(() => withDatabase((database) => database.rows(sql`truncate line`)));
afterEach(() => vi.restoreAllMocks());

/** On one session, which all transactions share. */
async function withDatabase<T>(
  work: (database: Database) => Promise<T>,
  { url = made.url, deadlines = DEADLINES }: { url?: string; deadlines?: Deadlines } = {},
): Promise<T> {
  const engine = openPostgres({ url, prepare: true, applicationName: 'banyan test' }, 1, deadlines);
  try {
    return await work(engine.database('public'));
  } finally {
    await engine.close();
  }
}

const insert = (tx: Transaction, n: number, note = '') =>
  tx.rows(sql`insert into line (n, note) values (${n}::int, ${note})`);
const lines = (database: Database) => database.rows<{ n: number }>(sql`select n from line order by at, n`);

/** Prepares what the tests send, and guards the session. */
const warmUp = (database: Database) =>
  database.transaction(async (tx) => {
    await insert(tx, 1);
    await tx.rows(sql`delete from line`);
  });

describe('statements that do not wait for one another', () => {
  /** Counts the calls by which sockets hand something to the system. */
  function countWrites() {
    const prototype = Socket.prototype as unknown as Record<'_write' | '_writev', () => void>;
    const spies = [vi.spyOn(prototype, '_write'), vi.spyOn(prototype, '_writev')];
    return () => spies.reduce((sum, { mock }) => sum + mock.calls.length, 0);
  }

  for (const length of [10, 400, 2_000]) {
    it(`travel with their transaction's begin in one write, ${length} bytes each`, async () => {
      await withDatabase(async (database) => {
        await warmUp(database);
        const writes = countWrites();
        await database.transaction((tx) =>
          Promise.all([1, 2, 3, 4, 5, 6].map((n) => insert(tx, n, 'x'.repeat(length)))),
        );
        expect(writes()).toBe(2);
        expect(await lines(database)).toEqual([1, 2, 3, 4, 5, 6].map((n) => ({ n })));
      });
    });
  }

  it('travel with their commit as well when nobody waits for them', async () => {
    await withDatabase(async (database) => {
      await warmUp(database);
      const writes = countWrites();
      await database.transaction(async (tx) => {
        for (let n = 1; n <= 6; n += 1) void insert(tx, n);
      });
      expect(writes()).toBe(1);
      expect(await lines(database)).toEqual([1, 2, 3, 4, 5, 6].map((n) => ({ n })));
    });
  });

  it('cost a write each when they wait, and the first one takes the begin along', async () => {
    await withDatabase(async (database) => {
      await warmUp(database);
      const writes = countWrites();
      await database.transaction(async (tx) => {
        for (let n = 1; n <= 6; n += 1) await insert(tx, n);
      });
      expect(writes()).toBe(7);
    });
  });

  it('run in their order, also those that are prepared first', async () => {
    await withDatabase(async (database) => {
      const order = await database.transaction((tx) =>
        Promise.all([
          insert(tx, 1),
          tx.rows<{ n: number }>(sql`select n from line where n > ${0}::int order by n`),
          insert(tx, 2),
          tx.rows<{ n: number }>(sql`select n from line where n > ${0}::int order by n`),
          tx.rows<{ n: number }>(sql`update line set note = ${'seen'} returning n`),
        ]),
      );
      expect(order).toEqual([[], [{ n: 1 }], [], [{ n: 1 }, { n: 2 }], [{ n: 1 }, { n: 2 }]]);
    });
  });
});

describe('a statement that fails among others sent with it', () => {
  it('undoes all of them, and its error is the one that is told, whichever is looked at first', async () => {
    await withDatabase(async (database) => {
      await warmUp(database);
      const unhandled = vi.fn();
      process.on('unhandledRejection', unhandled);
      const first = database.transaction(async (tx) => {
        void insert(tx, 1);
        void insert(tx, 1);
        // Postgres refuses this one, since the one before it failed.
        await insert(tx, 2);
      });
      await expect(first).rejects.toMatchObject({ code: '23505', constraint_name: 'line_pkey' });
      const all = database.transaction((tx) => Promise.all([1, 2, 2, 3].map((n) => insert(tx, n))));
      await expect(all).rejects.toMatchObject({ code: '23505' });
      await setImmediate();
      process.off('unhandledRejection', unhandled);
      expect(unhandled).not.toHaveBeenCalled();
      expect(await lines(database)).toEqual([]);
    });
  });

  it('fails the transaction although nobody looks at it', async () => {
    await withDatabase(async (database) => {
      const hook = vi.fn();
      const work = database.transaction(async (tx) => {
        tx.onCommit(hook);
        void insert(tx, 1);
        void insert(tx, 1);
        void insert(tx, 2);
      });
      await expect(work).rejects.toMatchObject({ code: '23505', constraint_name: 'line_pkey' });
      expect(hook).not.toHaveBeenCalled();
      expect(await lines(database)).toEqual([]);
    });
  });

  it('does not end the session', async () => {
    await withDatabase(async (database) => {
      await warmUp(database);
      const session = () => database.rows(sql`select pg_backend_pid() as pid`);
      const before = await session();
      await database.transaction((tx) => Promise.all([insert(tx, 1), insert(tx, 1)])).catch(() => undefined);
      expect(await session()).toEqual(before);
    });
  });
});

describe('a session that ends under statements sent together', () => {
  it('is lost: all of them fail, and none is done', async () => {
    await withDatabase(async (database) => {
      await warmUp(database);
      const work = database.transaction((tx) =>
        Promise.all([
          insert(tx, 1),
          tx.rows(sql`select pg_terminate_backend(pg_backend_pid())`),
          insert(tx, 2),
          insert(tx, 3),
        ]),
      );
      await expect(work).rejects.toMatchObject({ code: 'database_unavailable' });
      expect(await lines(database)).toEqual([]);
    });
  });

  it('misses a deadline: all that have no answer fail, and none is done', async () => {
    await withDatabase(
      async (database) => {
        await warmUp(database);
        let outcomes: string[] = [];
        const work = database.transaction(async (tx) => {
          const sent = [insert(tx, 1), tx.rows(sql`select pg_sleep(1)`), insert(tx, 2)];
          outcomes = (await Promise.allSettled(sent)).map(({ status }) => status);
          await insert(tx, 3);
        });
        await expect(work).rejects.toMatchObject({ code: 'database_unavailable' });
        expect(outcomes).toEqual(['fulfilled', 'rejected', 'rejected']);
        expect(await lines(database)).toEqual([]);
      },
      { deadlines: { ...DEADLINES, queryMs: 200 } },
    );
  });

  it('keeps to each deadline by itself', async () => {
    await withDatabase(
      async (database) => {
        await warmUp(database);
        // The timer for this one is set when the first of them is sent.
        for (let n = 0; n < 8; n += 1) await database.rows(sql`select pg_sleep(0.1)`);
        await expect(database.rows(sql`select pg_sleep(1)`)).rejects.toMatchObject({
          code: 'database_unavailable',
        });
      },
      { deadlines: { ...DEADLINES, queryMs: 300 } },
    );
  });
});

describe('a begin that fails', () => {
  /** Makes Postgres refuse each begin that follows, and nothing else. */
  async function startSpoiler() {
    const server = Number(new URL(made.url).port);
    const sockets = new Set<Socket>();
    let isSpoiling = false;
    const proxy = createServer((near) => {
      const far = connect(server, '127.0.0.1');
      for (const socket of [near, far]) {
        sockets.add(socket);
        socket.on('error', () => undefined);
      }
      near.on('close', () => far.destroy());
      far.on('close', () => near.destroy());
      far.pipe(near);
      near.on('data', (bytes) => {
        const text = bytes.toString('latin1');
        far.write(isSpoiling ? text.replaceAll('begin read write', 'begin read wrong') : text, 'latin1');
      });
    });
    proxy.listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    const url = new URL(made.url);
    url.port = String((proxy.address() as AddressInfo).port);
    return {
      url: url.href,
      spoil(yes: boolean) {
        isSpoiling = yes;
      },
      async close() {
        for (const socket of sockets) socket.destroy();
        proxy.close();
        await once(proxy, 'close');
      },
    };
  }

  it('leaves nothing of what was sent behind it, and ends the session', async () => {
    const spoiler = await startSpoiler();
    await withDatabase(
      async (database) => {
        await warmUp(database);
        spoiler.spoil(true);
        const together = database.transaction((tx) => Promise.all([1, 2, 3].map((n) => insert(tx, n))));
        await expect(together).rejects.toMatchObject({ code: 'database_unavailable' });
        spoiler.spoil(false);
        await warmUp(database);
        spoiler.spoil(true);
        // With its commit, which Postgres takes for done.
        const unseen = database.transaction(async (tx) => {
          for (const n of [1, 2, 3]) void insert(tx, n);
        });
        await expect(unseen).rejects.toMatchObject({ code: 'database_unavailable' });
        spoiler.spoil(false);
        expect(await lines(database)).toEqual([]);
        await database.transaction((tx) => insert(tx, 7));
        expect(await lines(database)).toEqual([{ n: 7 }]);
      },
      { url: spoiler.url },
    );
    await spoiler.close();
  });

  it('fails a transaction that is on a fresh session, and one that asked for nothing', async () => {
    const spoiler = await startSpoiler();
    await withDatabase(
      async (database) => {
        spoiler.spoil(true);
        const work = vi.fn();
        await expect(database.transaction(work)).rejects.toMatchObject({ code: 'database_unavailable' });
        expect(work).not.toHaveBeenCalled();
        spoiler.spoil(false);
        await warmUp(database);
        spoiler.spoil(true);
        const idle = database.transaction(async () => 1);
        await expect(idle).rejects.toMatchObject({ code: 'database_unavailable' });
      },
      { url: spoiler.url },
    );
    await spoiler.close();
  });

  it('leaves the session to single statements that write', async () => {
    await withDatabase(async (database) => {
      for (let n = 1; n <= 3; n += 1) {
        await database.transaction((tx) => insert(tx, n));
        await database.rows(sql`update line set note = 'kept' where n = ${n}::int`);
      }
      expect(await database.rows(sql`select count(*)::int as kept from line where note = 'kept'`)).toEqual([
        { kept: 3 },
      ]);
    });
  });
});
