import { createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { sql } from 'drizzle-orm';
import { z } from 'zod';
import { AppError } from '../errors.ts';
import { type BackupManifest, countRows, MANIFEST } from './backup.ts';
import { unpackBackup } from './backup-archive.ts';
import { openEmbedded } from './embedded.ts';
import { damaged } from './tar.ts';

const manifestSchema = z.object({
  format: z.literal(1),
  version: z.string(),
  at: z.iso.datetime(),
  postgres: z.string(),
  migrations: z.record(z.string(), z.array(z.string())),
  rows: z.record(z.string(), z.int()),
}) satisfies z.ZodType<BackupManifest>;

/**
 * Writes what a backup file holds into `folder`, which is to be new, and onto the disk. Rejects with `backup_damaged`
 * (invalid), or as the file system does; what is there by then is of no use.
 */
export async function unpackInto(folder: string, file: string): Promise<BackupManifest> {
  const folders = new Set([folder]);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  for await (const { name, type, content } of unpackBackup(createReadStream(file))) {
    const path = join(folder, name);
    const parent = type === 'folder' ? path : dirname(path);
    if (!folders.has(parent)) await mkdir(parent, { recursive: true, mode: 0o700 });
    folders.add(parent);
    if (type === 'file') await writeWhole(path, content);
  }
  for (const each of folders) await syncFolder(each);
  return parseManifest(await readFile(join(folder, MANIFEST), 'utf8').catch(() => undefined));
}

async function writeWhole(path: string, content: AsyncIterable<Buffer>): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    for await (const chunk of content) await writeAll(file, chunk);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function writeAll(file: FileHandle, chunk: Buffer): Promise<void> {
  for (let at = 0; at < chunk.length; ) at += (await file.write(chunk, at)).bytesWritten;
}

/** Puts names onto the disk: without it a file that was renamed or made may be gone after a power cut. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Reads a backup file to its end, and gives what it says of itself. Rejects with `backup_damaged` (invalid), and with
 * `backup_newer` (conflict) when its form is not known here.
 */
export async function verifyBackup(file: string): Promise<BackupManifest> {
  let manifest: string | undefined;
  for await (const { name, content } of unpackBackup(createReadStream(file))) {
    const chunks: Buffer[] = [];
    for await (const chunk of content) if (name === MANIFEST) chunks.push(chunk);
    if (name === MANIFEST) manifest = Buffer.concat(chunks).toString();
  }
  return parseManifest(manifest);
}

/** Call it with what was read from a file whose digests were right. */
function parseManifest(text: string | undefined): BackupManifest {
  if (text === undefined) throw damaged(`it has no ${MANIFEST}`);
  const result = manifestSchema.safeParse(JSON.parse(text));
  if (!result.success) throw newer(`its ${MANIFEST} is not one that this version reads`);
  return result.data;
}

/**
 * Refuses a backup of a later version with `backup_newer` (conflict): `known` has the migrations of this one, by schema.
 */
export function refuseNewer(
  { version, migrations }: BackupManifest,
  known: ReadonlyMap<string, readonly string[]>,
): void {
  const unknown = Object.entries(migrations).flatMap(([schema, names]) =>
    names.filter((name) => !known.get(schema)?.includes(name)),
  );
  if (unknown.length > 0) throw newer(`it is of version ${version}, which has ${unknown.join(', ')}`);
}

function newer(reason: string): AppError {
  return new AppError('conflict', 'backup_newer', reason);
}

/**
 * Opens the database in `folder`, which recovers it, and sees that it has just the rows that it had when it was copied.
 * Rejects with `backup_damaged` (invalid) where it has others.
 */
export async function checkRows(folder: string, { rows: expected }: BackupManifest): Promise<void> {
  const engine = await openEmbedded({ folder });
  try {
    const { rows } = engine.database('public');
    const tables = await rows<{ schema: string; name: string }>(sql`
      select schemaname as schema, tablename as name from pg_tables
      where schemaname not in ('pg_catalog', 'information_schema') order by 1, 2`);
    const found = await countRows(rows, tables);
    const names = new Set([...Object.keys(expected), ...Object.keys(found)]);
    const wrong = [...names].filter((name) => expected[name] !== found[name]);
    if (wrong.length === 0) return;
    const details = wrong.map(
      (name) => `${name} has ${found[name] ?? 'gone'}, not ${expected[name] ?? 'there'}`,
    );
    throw damaged(`its database has other rows than it had: ${details.join(', ')}`);
  } finally {
    await engine.close();
  }
}
