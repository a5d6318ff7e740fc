import { AsyncLocalStorage } from 'node:async_hooks';
import { sql } from 'drizzle-orm';
import { createBatch } from '../batch.ts';
import { isUnavailable } from '../errors.ts';
import { SHARED_LOCK_MS, SHARED_TRANSACTION, SHARED_TRANSACTIONS } from '../limits.ts';
import type { Database, Drizzle, Transaction } from './database.ts';
import { isLockFailure } from './postgres-errors.ts';
import { traced, tracedTransaction } from './query-span.ts';
import { insideTransaction, refuseInsideTransaction } from './scope.ts';
import { openDrizzle, type RunStatement, runRows } from './statement.ts';

/** What an engine offers beneath a module's `Database`. */
export interface Sessions {
  /** Runs one statement on whichever session is free. */
  readonly run: RunStatement;
  /** Runs `work` on one session, and commits when it resolves; rolls back and rejects with its error when it rejects. */
  transact<T>(work: (run: RunStatement) => Promise<T>): Promise<T>;
}

/** One module's handle on an engine, the same over all of them: what is refused in one is refused in each. */
export function createDatabase(schema: string, { run: runPlain, transact }: Sessions): Database {
  const run = traced(schema, runPlain);
  const db = openDrizzle(run);

  async function transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    const hooks: (() => void)[] = [];
    const result = await transact((runHere) => work(openTransaction(traced(schema, runHere), hooks)));
    for (const hook of hooks) hook();
    return result;
  }

  const share = createBatch<(tx: Transaction) => Promise<unknown>, unknown>({
    max: SHARED_TRANSACTION,
    lanes: SHARED_TRANSACTIONS,
    run: (works) => transaction((tx) => allOf(tx, works)),
  });

  return {
    schema,
    get db() {
      refuseInsideTransaction('query on the outer handle');
      return db;
    },
    rows(statement) {
      refuseInsideTransaction('query on the outer handle');
      return runRows(run, statement);
    },
    async transaction(work) {
      refuseInsideTransaction('transaction');
      return await tracedTransaction(schema, () =>
        transaction((tx) => insideTransaction(schema, () => work(tx))),
      );
    },
    async sharedTransaction(work) {
      refuseInsideTransaction('transaction');
      return await tracedTransaction(schema, async () => {
        // Each in its own trace and for its own request, whoever's transaction it is.
        const inContext = AsyncLocalStorage.snapshot();
        const result = await share((tx) => inContext(() => insideTransaction(schema, () => work(tx))));
        return result as Awaited<ReturnType<typeof work>>;
      });
    },
  };
}

/**
 * All results, once all have ended: what is tried again must not be under way still. Rejects as one of them did, with an
 * unknown outcome rather than another failure. Several do not wait long for a lock: then each waits alone.
 */
async function allOf(
  tx: Transaction,
  works: readonly ((tx: Transaction) => Promise<unknown>)[],
): Promise<unknown[]> {
  if (works.length > 1) void tx.rows(sql`select set_config('lock_timeout', ${String(SHARED_LOCK_MS)}, true)`);
  const results = await Promise.allSettled(works.map((work) => work(tx)));
  const failures = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []));
  const locked = works.length > 1 ? failures.find(isLockFailure) : undefined;
  if (locked !== undefined) throw new Error('a lock did not come', { cause: locked });
  if (failures.length > 0) throw failures.find(isUnavailable) ?? failures[0];
  return results.map((result) => (result as PromiseFulfilledResult<unknown>).value);
}

function openTransaction(run: RunStatement, hooks: (() => void)[]): Transaction {
  let db: Drizzle | undefined;
  return {
    get db() {
      db ??= openDrizzle(run);
      return db;
    },
    rows(statement) {
      const rows = runRows<never>(run, statement);
      // Whether or not the work looks at it, its failure is the transaction's.
      rows.catch(() => undefined);
      return rows;
    },
    onCommit(hook) {
      hooks.push(hook);
    },
  };
}
