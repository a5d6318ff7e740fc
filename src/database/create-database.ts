import { AsyncLocalStorage } from 'node:async_hooks';
import { type SQL, sql } from 'drizzle-orm';
import { createBatch, GaveWay } from '../batch.ts';
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

  async function transaction<T>(work: (tx: Transaction) => Promise<T>, givesWay: boolean): Promise<T> {
    const hooks: (() => void)[] = [];
    try {
      const result = await transact((runHere) => {
        const tx = new OpenTransaction(traced(schema, runHere), hooks);
        if (givesWay) void tx.rows(sql`select set_config('lock_timeout', ${String(SHARED_LOCK_MS)}, true)`);
        return work(tx);
      });
      for (const hook of hooks) hook();
      return result;
    } catch (error) {
      if (givesWay && isLockFailure(error)) throw new GaveWay('a lock did not come', { cause: error });
      throw error;
    }
  }

  const share = createBatch<(tx: Transaction) => Promise<unknown>, unknown>({
    max: SHARED_TRANSACTION,
    lanes: SHARED_TRANSACTIONS,
    run: (works, isAlone) => transaction((tx) => allOf(works.map((work) => work(tx))), !isAlone),
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
    async transaction(work, { givesWay = false } = {}) {
      refuseInsideTransaction('transaction');
      return await tracedTransaction(schema, () =>
        transaction((tx) => insideTransaction(schema, () => work(tx)), givesWay),
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
 * unknown outcome rather than another failure.
 */
async function allOf(works: readonly Promise<unknown>[]): Promise<unknown[]> {
  const results = await Promise.allSettled(works);
  const failures = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []));
  if (failures.length > 0) throw failures.find(isUnavailable) ?? failures[0];
  return results.map((result) => (result as PromiseFulfilledResult<unknown>).value);
}

/** A class, as a getter in a literal would give each transaction a shape of its own, and V8 keep what it holds. */
class OpenTransaction implements Transaction {
  readonly #run: RunStatement;
  readonly #hooks: (() => void)[];
  #db: Drizzle | undefined;

  constructor(run: RunStatement, hooks: (() => void)[]) {
    this.#run = run;
    this.#hooks = hooks;
  }

  get db(): Drizzle {
    this.#db ??= openDrizzle(this.#run);
    return this.#db;
  }

  rows<Row extends object>(statement: SQL): Promise<Row[]> {
    const rows = runRows<Row>(this.#run, statement);
    // Whether or not the work looks at it, its failure is the transaction's.
    rows.catch(() => undefined);
    return rows;
  }

  onCommit(hook: () => void): void {
    this.#hooks.push(hook);
  }
}
