import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import {
  PGlite,
  type PGliteInterface,
  type Transaction as PGliteTransaction,
  types,
} from '@electric-sql/pglite';
import type { SQL } from 'drizzle-orm';
import { PgDialect } from 'drizzle-orm/pg-core';
import { drizzle } from 'drizzle-orm/pglite';
import { AppError, invariant } from '../errors.ts';
import { EMBEDDED_QUEUE } from '../limits.ts';
import type { Database, Drizzle, Transaction } from './database.ts';
import { DurableFolder, durableStartParams } from './durable-folder.ts';
import type { Engine } from './engine.ts';
import { insideTransaction, refuseInsideTransaction } from './scope.ts';

const dialect = new PgDialect();

/** The forms `Queryable.rows` promises: numbers for bigint, text for timestamps. */
const parsers = {
  [types.INT8]: parseBigint,
  [types.TIMESTAMPTZ]: (text: string) => text,
  [types.TIMESTAMP]: (text: string) => text,
  [types.DATE]: (text: string) => text,
};

function parseBigint(text: string): number {
  const value = Number(text);
  invariant(Number.isSafeInteger(value), `bigint ${text} is within 2^53 - 1`);
  return value;
}

export interface EmbeddedOptions {
  /** The folder that holds the database; none keeps it in memory, for tests. */
  readonly folder?: string;
  /** A data directory as made by `PGlite.dumpDataDir`, to start from instead of an empty cluster. */
  readonly template?: Blob;
}

/**
 * Opens the embedded Postgres (PGlite) in `folder`, alone: a second opener, which would silently lose rows, is
 * refused with `database_locked`. The lock is an SQLite file held open, so the system frees it on `kill -9` too.
 */
export async function openEmbedded(options: EmbeddedOptions): Promise<Engine> {
  const lock = options.folder === undefined ? undefined : lockFolder(options.folder);
  try {
    const durable = options.folder && {
      fs: new DurableFolder(join(options.folder, 'postgres')),
      startParams: durableStartParams,
    };
    const client = await PGlite.create({ ...durable, loadDataDir: options.template });
    return createEngine(client, () => lock?.close());
  } catch (error) {
    lock?.close();
    throw error;
  }
}

function lockFolder(folder: string): DatabaseSync {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const lock = new DatabaseSync(join(folder, 'lock.sqlite'));
  try {
    lock.exec('begin exclusive');
    return lock;
  } catch (error) {
    lock.close();
    throw new AppError('unavailable', 'database_locked', `${folder} is in use by another process`, {
      cause: error,
    });
  }
}

function createEngine(client: PGlite, release: () => void): Engine {
  // PGlite runs one transaction at a time; this bounds the line in front of it.
  let waiting = 0;
  async function bounded<T>(work: () => Promise<T>): Promise<T> {
    if (waiting >= EMBEDDED_QUEUE) {
      throw new AppError('unavailable', 'database_busy', 'the database has too much to do', {
        retryAfterSeconds: 1,
      });
    }
    waiting += 1;
    try {
      return await work();
    } finally {
      waiting -= 1;
    }
  }

  function database(schema: string): Database {
    const db = drizzle(client) as unknown as Drizzle;
    return {
      schema,
      get db() {
        refuseInsideTransaction('query on the outer handle');
        return db;
      },
      rows(statement) {
        refuseInsideTransaction('query on the outer handle');
        return bounded(() => runRows(client, statement));
      },
      async transaction(work) {
        refuseInsideTransaction('transaction');
        const hooks: (() => void)[] = [];
        const result = await bounded(() =>
          client.transaction((session) =>
            insideTransaction(schema, () => work(openTransaction(session, hooks))),
          ),
        );
        for (const hook of hooks) hook();
        return result;
      },
    };
  }

  return {
    kind: 'embedded',
    database,
    async script(work) {
      await client.transaction((session) =>
        work({
          exec: async (script) => {
            await session.exec(script);
          },
          rows: (statement) => runRows(session, statement),
        }),
      );
    },
    async check() {
      await client.query('select 1');
    },
    async close() {
      await client.close();
      release();
    },
    async dump() {
      return await client.dumpDataDir('none');
    },
  };
}

function openTransaction(session: PGliteTransaction, hooks: (() => void)[]): Transaction {
  let db: Drizzle | undefined;
  return {
    get db() {
      db ??= drizzle(session as unknown as PGlite) as unknown as Drizzle;
      return db;
    },
    rows: (statement) => runRows(session, statement),
    onCommit(hook) {
      hooks.push(hook);
    },
  };
}

async function runRows<Row extends object>(
  client: Pick<PGliteInterface, 'query'>,
  statement: SQL,
): Promise<Row[]> {
  const { sql, params } = dialect.sqlToQuery(statement);
  const result = await client.query<Row>(sql, params, { parsers });
  return result.rows;
}
