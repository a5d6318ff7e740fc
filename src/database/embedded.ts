import { statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import { AppError, invariant } from '../errors.ts';
import { EMBEDDED_QUEUE } from '../limits.ts';
import { createBreath } from './breath.ts';
import { createDatabase } from './create-database.ts';
import { DurableFolder, durableStartParams } from './durable-folder.ts';
import { embeddedFiles } from './embedded-files.ts';
import { lockFolder, refuseUnfinished } from './embedded-folder.ts';
import { keepLog } from './embedded-log.ts';
import { createEmbeddedSession } from './embedded-session.ts';
import type { Engine } from './engine.ts';
import { databaseUnavailable } from './postgres-errors.ts';
import { type RunStatement, runRows } from './statement.ts';
import { openStatements } from './transaction-statements.ts';

export interface EmbeddedOptions {
  /** The folder that holds the database; none keeps it in memory, for tests. */
  readonly folder?: string;
  /** A data directory as made by `PGlite.dumpDataDir`, to start from instead of an empty cluster. */
  readonly template?: Blob;
  /** Of a database in a folder; default: EMBEDDED_CHECKPOINT_MS. */
  readonly checkpointMs?: number;
}

/**
 * Opens the embedded Postgres (PGlite) in `folder`, alone: a second opener, which would silently lose rows, is
 * refused with `database_locked`, whoever would make a new shop where a restore was cut off, with
 * `restore_unfinished`, and a folder whose database does not open, with `database_unavailable` (all unavailable). The lock is an SQLite file held open, so the system frees it on `kill -9` too.
 */
export async function openEmbedded(options: EmbeddedOptions): Promise<Engine> {
  const lock = options.folder === undefined ? undefined : lockFolder(options.folder);
  try {
    if (options.folder !== undefined) refuseUnfinished(options.folder);
    const client = await openClient(options);
    return createEngine(client, options, () => lock?.close());
  } catch (error) {
    lock?.close();
    throw error;
  }
}

async function openClient({ folder, template }: EmbeddedOptions): Promise<PGlite> {
  const durable = folder && {
    fs: new DurableFolder(join(folder, 'postgres')),
    startParams: durableStartParams,
  };
  const files = await embeddedFiles();
  try {
    return await PGlite.create({ ...durable, ...files, loadDataDir: template });
  } catch (error) {
    throw databaseUnavailable(await describeFailure(error, folder));
  }
}

/** PGlite gives up in several ways, some of them no errors and most without a word of the usual reason. */
async function describeFailure(error: unknown, folder: string | undefined): Promise<Error> {
  const reason = error instanceof Error ? error.message : 'it gave up';
  if (folder === undefined) return new Error(`it does not open: ${reason}`, { cause: error });
  const { bavail, bsize } = await statfs(folder);
  const left = Math.floor((bavail * bsize) / 1024 ** 2);
  return new Error(`${folder} does not open: ${reason}; its disk has ${left} MB left`, { cause: error });
}

function createEngine(client: PGlite, options: EmbeddedOptions, release: () => void): Engine {
  const { folder, checkpointMs } = options;
  // PGlite runs one transaction at a time; this bounds the line in front of it.
  let waiting = 0;
  let served = 0;
  let refused = 0;
  async function bounded<T>(work: () => Promise<T>): Promise<T> {
    if (waiting >= EMBEDDED_QUEUE) {
      refused += 1;
      throw new AppError('unavailable', 'database_busy', 'the database has too much to do', {
        retryAfterSeconds: 1,
      });
    }
    waiting += 1;
    try {
      return await work();
    } finally {
      waiting -= 1;
      served += 1;
    }
  }

  const reopen = folder === undefined ? undefined : () => openClient({ folder });
  const session = createEmbeddedSession(client, reopen);
  const letOthersIn = createBreath();
  const keptLog = folder === undefined ? undefined : keepLog(session, join(folder, 'postgres'), checkpointMs);

  /** One statement or transaction at a time, and only so many in line. */
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    return bounded(() =>
      session.exclusively(async () => {
        await letOthersIn();
        return await work();
      }),
    );
  }

  async function transact<T>(work: (run: RunStatement) => Promise<T>): Promise<T> {
    const statements = openStatements(session.query);
    await session.query('begin');
    try {
      const result = await work(statements.run);
      statements.close();
      const { command } = await session.query('commit');
      await statements.requireCommit(command);
      return result;
    } catch (error) {
      statements.close();
      await session.query('rollback');
      throw statements.causeOf(error);
    }
  }

  return {
    kind: 'embedded',
    database: (schema) =>
      createDatabase(schema, {
        run: (...statement) => inTurn(() => session.query(...statement)),
        transact: (work) => inTurn(() => transact(work)),
      }),
    async script(work) {
      await inTurn(() =>
        transact((run) =>
          work({
            exec: session.exec,
            rows: (statement) => runRows(run, statement),
          }),
        ),
      );
    },
    async check() {
      await inTurn(() => session.query('select 1'));
    },
    poolState() {
      const busy = Math.min(1, waiting);
      return { max: 1, busy, idle: 1 - busy, waiting: waiting - busy, served, refused };
    },
    async close() {
      keptLog?.stop();
      await session.close();
      release();
    },
    dump: () => inTurn(() => session.client().dumpDataDir('none')),
    async beginCopy() {
      invariant(keptLog, 'only a database in a folder is copied');
      return await keptLog.beginCopy();
    },
  };
}
