import type { SQL } from 'drizzle-orm';
import type { Database, Queryable } from './database.ts';
import type { PoolState } from './postgres-pool.ts';

/** Runs scripts of several statements inside one transaction; for migrations. */
export interface ScriptSession {
  exec(script: string): Promise<void>;
  rows<Row extends object>(statement: SQL): Promise<Row[]>;
}

/**
 * A copy of the embedded database's folder that is being made while the database is used, as Postgres describes it for
 * base backups: its files may be read at any time and in any order, then the log that was written meanwhile, which
 * makes them whole. Until `release` the log is kept.
 */
export interface FolderCopy {
  readonly folder: string;
  /**
   * Ends the copy, when all files but the log's have been read, at the moment at which `look` sees the database.
   */
  end<Seen>(look: (rows: Queryable['rows']) => Promise<Seen>): Promise<CopyEnd<Seen>>;
  /** Lets the database go on as before. Safe to call at any time. */
  release(): Promise<void>;
}

export interface CopyEnd<Seen> {
  readonly seen: Seen;
  /** What the copy has as `backup_label`: where its recovery begins. */
  readonly label: string;
  /** What it has as `global/pg_control`. */
  readonly control: Buffer;
  /** The files of the log that it needs, in `pg_wal`; all are there and do not change any more. */
  readonly logFiles: readonly string[];
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
  /** Begins a copy of the folder; only of an embedded database in one. Rejects with `backup_running` (conflict). */
  beginCopy(): Promise<FolderCopy>;
}
