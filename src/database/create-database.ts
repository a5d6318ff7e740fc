import type { Database, Drizzle, Transaction } from './database.ts';
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
      const hooks: (() => void)[] = [];
      const result = await tracedTransaction(schema, () =>
        transact((runHere) =>
          insideTransaction(schema, () => work(openTransaction(traced(schema, runHere), hooks))),
        ),
      );
      for (const hook of hooks) hook();
      return result;
    },
  };
}

function openTransaction(run: RunStatement, hooks: (() => void)[]): Transaction {
  let db: Drizzle | undefined;
  return {
    get db() {
      db ??= openDrizzle(run);
      return db;
    },
    rows: (statement) => runRows(run, statement),
    onCommit(hook) {
      hooks.push(hook);
    },
  };
}
