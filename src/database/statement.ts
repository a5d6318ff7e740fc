import type { SQL } from 'drizzle-orm';
import { PgDatabase } from 'drizzle-orm/pg-core';
import { PgRemoteSession } from 'drizzle-orm/pg-proxy';
import { invariant } from '../errors.ts';
import { compileSql, dialect } from './compile-sql.ts';
import type { Drizzle } from './database.ts';

export interface StatementResult<Row> {
  readonly rows: Row[];
  readonly affectedRows: number;
  /** What Postgres says that it did, as `UPDATE`. */
  readonly command: string;
}

export interface StatementOptions {
  /** `array` gives each row as a list of values in the order of the columns. */
  readonly rowMode?: 'array' | 'object';
}

/** Runs one statement on some session. Rejects with Postgres's error, whose `code` is the SQLSTATE. */
export type RunStatement = <Row>(
  text: string,
  params?: readonly unknown[],
  options?: StatementOptions,
) => Promise<StatementResult<Row>>;

/** Postgres's numbers of the types that do not travel as plain text. */
const oid = { bool: 16, int8: 20, int2: 21, int4: 23, json: 114, float4: 700, float8: 701, jsonb: 3802 };

/** The forms that `Queryable.rows` promises, by type; every other type stays text, as Postgres writes it. */
export const parsers: Readonly<Record<number, (text: string) => unknown>> = {
  [oid.bool]: (text) => text === 't',
  [oid.int2]: Number,
  [oid.int4]: Number,
  [oid.int8]: parseBigint,
  [oid.float4]: Number,
  [oid.float8]: Number,
  [oid.json]: JSON.parse,
  [oid.jsonb]: JSON.parse,
};

function parseBigint(text: string): number {
  const value = Number(text);
  invariant(Number.isSafeInteger(value), `bigint ${text} is within 2^53 - 1`);
  return value;
}

/** A parameter in Postgres's text form; the statement's own types tell the server how to read it. */
export function toText(value: unknown): string | null {
  if (value === null || value === undefined) return null;
  if (typeof value === 'string') return value;
  if (value instanceof Date) return value.toISOString();
  if (typeof value === 'object') return JSON.stringify(value);
  return String(value);
}

/** Runs a statement built by `sql` and returns its rows. */
export async function runRows<Row extends object>(run: RunStatement, statement: SQL): Promise<Row[]> {
  const { text, params } = compileSql(statement);
  return (await run<Row>(text, params)).rows;
}

/** Drizzle's query builder over any session: its driver for "some remote" asks for no more than this. */
export function openDrizzle(run: RunStatement): Drizzle {
  const session = new PlainSession(
    (text, params, method) => run(text, params, { rowMode: method === 'all' ? 'array' : 'object' }),
    dialect,
    undefined,
  );
  return new PgDatabase(dialect, session, undefined) as unknown as Drizzle;
}

/** Drizzle wraps each failure in an error of its own, which would hide both our errors and Postgres's codes. */
class PlainSession extends PgRemoteSession<Record<string, never>, Record<string, never>> {
  override prepareQuery: PgRemoteSession<Record<string, never>, Record<string, never>>['prepareQuery'] = (
    ...query
  ) => {
    const prepared = super.prepareQuery(...query);
    const runsPlainly = { queryWithCache: (_text: string, _params: unknown[], run: () => unknown) => run() };
    return Object.assign(prepared, runsPlainly) as unknown as typeof prepared;
  };
}
