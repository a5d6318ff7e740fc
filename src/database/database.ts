import type { SQL } from 'drizzle-orm';
import type { PgDatabase, PgQueryResultHKT } from 'drizzle-orm/pg-core';

/** Drizzle's query builder, the same over the embedded database and over Postgres. */
export type Drizzle = PgDatabase<PgQueryResultHKT, Record<string, never>>;

export interface Queryable {
  /** The query builder. On a `Database` it must not be used inside a transaction: that would wait for itself. */
  readonly db: Drizzle;
  /**
   * Runs one raw statement and returns its rows, as plain objects: `bigint` columns as numbers (refused past
   * 2^53 - 1), `jsonb` parsed, timestamps and arrays as text. Select times through `isoTime` to get RFC 3339, and
   * lists by `jsonb_agg`.
   */
  rows<Row extends object>(statement: SQL): Promise<Row[]>;
}

/**
 * Statements need not wait for one another: they run in the order in which they are asked for, and what is asked for
 * without a wait in between travels together, at the end with the commit. Once one has failed the others are refused,
 * and the transaction fails with its error, looked at or not. So `void tx.rows(...)` does where the rows do not matter.
 */
export interface Transaction extends Queryable {
  /** Runs after the commit, outside the transaction; not at all after a rollback. Must not throw. */
  onCommit(hook: () => void): void;
}

/** One module's database: its own schema, reached by no other module. */
export interface Database extends Queryable {
  readonly schema: string;
  /**
   * Runs `work` in one transaction (read committed): commits what it did when it resolves, rolls back when it
   * rejects and rejects with the same error. Transactions do not nest, and no contract is called inside one.
   *
   * One that `givesWay` waits for a lock no longer than SHARED_LOCK_MS, and then rejects with `GaveWay`: for a run of a
   * batch, in which others wait for it.
   */
  transaction<T>(
    work: (tx: Transaction) => Promise<T>,
    options?: { readonly givesWay?: boolean },
  ): Promise<T>;
  /**
   * The same in one transaction with others that are asked for at the same time: many share its round trips and its
   * commit. For short work on rows that hardly anybody else holds, or much of it is tried twice.
   * `work` has no say in what else happens in it, and runs again, alone, when another's has failed.
   */
  sharedTransaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T>;
}
