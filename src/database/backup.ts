import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { sql } from 'drizzle-orm';
import type { Queryable } from './database.ts';
import type { Engine, FolderCopy } from './engine.ts';
import type { TarEntry } from './tar.ts';

/** What a backup says of itself, in its manifest. */
export interface BackupManifest {
  readonly format: 1;
  /** Of the program that made it. */
  readonly version: string;
  /** When its state was that of the shop (RFC 3339). */
  readonly at: string;
  /** Major version of the embedded Postgres. */
  readonly postgres: string;
  /** By schema: what was applied. */
  readonly migrations: Readonly<Record<string, readonly string[]>>;
  /** Rows by table, as `orders.order`. */
  readonly rows: Readonly<Record<string, number>>;
}

export const MANIFEST = 'manifest.json';

/** Folders whose files the next start makes anew; the folders themselves must be there. */
const EMPTIED = new Set([
  'pg_dynshmem',
  'pg_notify',
  'pg_replslot',
  'pg_serial',
  'pg_snapshots',
  'pg_stat_tmp',
  'pg_subtrans',
  'pg_wal',
]);
/** Of a running process, or written by the copy itself. */
const LEFT_OUT = new Set(['postmaster.pid', 'postmaster.opts', 'backup_label', 'tablespace_map']);
const CONTROL = 'global/pg_control';
/** As the shop names them. What somebody else has put there is none of it, and its name may fit into no archive. */
const MAIL = /^[\w.-]{1,80}\.eml$/;
/** Read in one go: a millisecond at most where the disk is slow. */
const CHUNK_BYTES = 256 * 1024;

/**
 * Everything of a shop that is in its folder, while it goes on: the database, then the mails that it wrote to files, so
 * that there is a file for each that the database knows as sent. What is committed before the last file of the database
 * is read, is in it. The database stands still for a checkpoint at the beginning, and at the end while rows are counted.
 */
export async function* backupEntries(
  engine: Pick<Engine, 'beginCopy'>,
  options: { readonly dataDir: string; readonly version: string },
): AsyncIterable<TarEntry> {
  const copy = await engine.beginCopy();
  let manifest: BackupManifest;
  try {
    yield* postgresFiles(copy);
    const { seen, label, control, logFiles } = await copy.end((rows) => describe(rows, options.version));
    manifest = seen;
    yield bytesEntry('postgres/backup_label', Buffer.from(label));
    yield bytesEntry(`postgres/${CONTROL}`, control);
    for (const name of logFiles) yield* fileEntry(copy.folder, `pg_wal/${name}`, 'postgres');
  } finally {
    await copy.release();
  }
  yield* mailFiles(options.dataDir);
  yield bytesEntry(MANIFEST, Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`));
}

async function* postgresFiles({ folder }: FolderCopy): AsyncIterable<TarEntry> {
  yield folderEntry('postgres');
  const found = await readdir(folder, { recursive: true, withFileTypes: true });
  for (const entry of found) {
    const path = relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/');
    const [top = '', ...below] = path.split('/');
    if (entry.isDirectory()) {
      // Subfolders of the log are wanted too.
      yield folderEntry(`postgres/${path}`);
    } else if (!(EMPTIED.has(top) && below.length > 0) && !LEFT_OUT.has(path) && path !== CONTROL) {
      yield* fileEntry(folder, path, 'postgres');
    }
  }
}

async function* mailFiles(dataDir: string): AsyncIterable<TarEntry> {
  const folder = join(dataDir, 'mail');
  const found = await readdir(folder, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (found === undefined) return;
  yield folderEntry('mail');
  for (const entry of found) {
    if (entry.isFile() && MAIL.test(entry.name)) yield* fileEntry(folder, entry.name, 'mail');
  }
}

function folderEntry(name: string): TarEntry {
  return { name, type: 'folder', size: 0, content: bytes(Buffer.alloc(0)) };
}

function bytesEntry(name: string, content: Buffer): TarEntry {
  return { name, type: 'file', size: content.length, content: bytes(content) };
}

async function* bytes(content: Buffer): AsyncIterable<Buffer> {
  if (content.length > 0) yield content;
}

/**
 * Nothing when the file has gone, as that of a table that was dropped. A small file is read at once, since waiting for
 * it takes longer while the database computes on this thread, and there are about a thousand.
 */
async function* fileEntry(folder: string, path: string, prefix: string): AsyncIterable<TarEntry> {
  const name = `${prefix}/${path}`;
  const file = openFile(join(folder, path));
  if (file === undefined) return;
  try {
    const { size } = fstatSync(file);
    if (size <= CHUNK_BYTES) yield bytesEntry(name, readChunk(file, 0, size));
    else yield { name, type: 'file', size, content: contentOf(file, size) };
  } finally {
    closeSync(file);
  }
}

function openFile(path: string): number | undefined {
  try {
    return openSync(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function* contentOf(file: number, size: number): AsyncIterable<Buffer> {
  for (let at = 0; at < size; at += CHUNK_BYTES) {
    yield readChunk(file, at, Math.min(CHUNK_BYTES, size - at));
    // Requests get their turn between two chunks.
    await setImmediate();
  }
}

/** Just so many bytes, however the file grows or shrinks meanwhile: what is missing is in the log, and zero here. */
function readChunk(file: number, at: number, length: number): Buffer {
  const chunk = Buffer.alloc(length);
  for (let read = 0; read < length; ) {
    const bytes = readSync(file, chunk, read, length - read, at + read);
    if (bytes === 0) break;
    read += bytes;
  }
  return chunk;
}

async function describe(rows: Queryable['rows'], version: string): Promise<BackupManifest> {
  const tables = await rows<{ schema: string; name: string }>(sql`
    select schemaname as schema, tablename as name from pg_tables
    where schemaname not in ('pg_catalog', 'information_schema') order by 1, 2`);
  const [server] = await rows<{ major: string; at: string }>(sql`
    select split_part(current_setting('server_version'), '.', 1) as major,
      to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as at`);
  const migrations: Record<string, readonly string[]> = {};
  for (const { schema } of tables.filter(({ name }) => name === 'migration')) {
    const applied = await rows<{ name: string }>(
      sql`select name from ${sql.identifier(schema)}.migration order by name`,
    );
    migrations[schema] = applied.map(({ name }) => name);
  }
  return {
    format: 1,
    version,
    at: server!.at,
    postgres: server!.major,
    migrations,
    rows: await countRows(rows, tables),
  };
}

/** In one statement over all tables. */
export async function countRows(
  rows: Queryable['rows'],
  tables: readonly { readonly schema: string; readonly name: string }[],
): Promise<Record<string, number>> {
  if (tables.length === 0) return {};
  const counts = tables.map(
    ({ schema, name }) =>
      sql`select ${`${schema}.${name}`}::text as name, count(*) as count from ${sql.identifier(schema)}.${sql.identifier(name)}`,
  );
  const counted = await rows<{ name: string; count: number }>(sql.join(counts, sql` union all `));
  return Object.fromEntries(counted.map(({ name, count }) => [name, count]));
}
