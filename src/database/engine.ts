import type { SQL } from 'drizzle-orm';
import type { Database } from './database.ts';
import type { PoolState } from './postgres-pool.ts';

/** Runs scripts of several statements inside one transaction; for migrations. */
export interface ScriptSession {
  exec(script: string): Promise<void>;
  rows<Row extends object>(statement: SQL): Promise<Row[]>;
}

/** A database server, or the embedded one. Modules see only the `Database` of their schema. */
export interface Engine {
  readonly kind: 'embedded' | 'postgres';
  database(schema: string): Database;
  script(work: (session: ScriptSession) => Promise<void>): Promise<void>;
  /** Rejects when the database does not answer. */
  check(): Promise<void>;
  poolState(): PoolState;
  close(): Promise<void>;
  /** The whole data directory as a tar file; only of an embedded database. */
  dump(): Promise<Blob>;
}
