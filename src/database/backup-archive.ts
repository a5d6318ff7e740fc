import { createHash } from 'node:crypto';
import { pipeline, Readable } from 'node:stream';
import { constants, createGunzip, createGzip } from 'node:zlib';
import { MANIFEST } from './backup.ts';
import { damaged, readTar, type TarEntry, writeTar } from './tar.ts';

/** The last file: the digests of all others, as `sha256sum` writes and checks them. What ends before it is no backup. */
const SUMS = 'SHA256SUMS';
const CHUNK_BYTES = 256 * 1024;
/** Of the digests; those of a hundred thousand files. */
const SUMS_BYTES = 16 * 1024 * 1024;

/** The bytes of a backup file: a gzipped tar archive of the entries, with their digests at its end. */
export function packBackup(entries: AsyncIterable<TarEntry>): AsyncIterable<Buffer> {
  // The fastest level: the shop goes on meanwhile, and higher ones save a tenth.
  const gzip = createGzip({ level: constants.Z_BEST_SPEED });
  // Either end's failure ends the other; who reads gets it.
  return pipeline(Readable.from(inChunks(writeTar(withSums(entries)))), gzip, () => undefined);
}

/** Larger ones: each is compressed on another thread, and its end noticed only when this one has time. */
async function* inChunks(parts: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
  let waiting: Buffer[] = [];
  let bytes = 0;
  for await (const part of parts) {
    waiting.push(part);
    bytes += part.length;
    if (bytes < CHUNK_BYTES) continue;
    yield Buffer.concat(waiting);
    waiting = [];
    bytes = 0;
  }
  if (bytes > 0) yield Buffer.concat(waiting);
}

async function* withSums(entries: AsyncIterable<TarEntry>): AsyncIterable<TarEntry> {
  const lines: string[] = [];
  for await (const entry of entries) {
    if (entry.type === 'folder') yield entry;
    else
      yield {
        ...entry,
        content: hashed(entry.content, (digest) => lines.push(`${digest}  ${entry.name}\n`)),
      };
  }
  const sums = Buffer.from(lines.join(''));
  yield { name: SUMS, type: 'file', size: sums.length, content: Readable.from([sums]) };
}

/**
 * The entries of a backup file, whose contents must be read to their ends. Rejects with `backup_damaged` (invalid) when
 * it is no backup, was altered, or is not all there; by the end of the last entry, not before it, all is known to be
 * as it was written.
 */
export async function* unpackBackup(source: AsyncIterable<Buffer>): AsyncIterable<TarEntry> {
  const digests = new Map<string, string>();
  let sums: string | undefined;
  for await (const entry of readTar(gunzip(source))) {
    if (sums !== undefined) throw damaged('it goes on after its end');
    if (entry.name === SUMS) sums = await readSums(entry);
    else if (!isSafe(entry.name)) throw damaged(`${entry.name} does not belong into a backup`);
    else if (entry.type === 'folder') yield entry;
    else yield { ...entry, content: hashed(entry.content, (digest) => digests.set(entry.name, digest)) };
  }
  if (sums === undefined) throw damaged('it ends too early');
  const found = [...digests].map(([name, digest]) => `${digest}  ${name}\n`).join('');
  if (found !== sums) throw damaged(`its files are not those that ${SUMS} names`);
}

async function* gunzip(source: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
  try {
    yield* pipeline(Readable.from(source), createGunzip(), () => undefined);
  } catch (error) {
    const isOfZlib = /^Z_/.test((error as NodeJS.ErrnoException).code ?? '');
    if (!isOfZlib) throw error;
    const isGzip = !/incorrect header check/.test((error as Error).message);
    throw damaged(isGzip ? 'its bytes were altered or cut off' : 'it is no backup', error);
  }
}

async function readSums({ size, content }: TarEntry): Promise<string> {
  if (size > SUMS_BYTES) throw damaged(`${SUMS} is too long`);
  const chunks: Buffer[] = [];
  for await (const chunk of content) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

/** Inside of the folder that is restored, whatever the archive says. */
function isSafe(name: string): boolean {
  if (name === MANIFEST) return true;
  return /^(postgres|mail)(\/[\w.-]+)*$/.test(name) && !name.split('/').includes('..');
}

async function* hashed(
  content: AsyncIterable<Buffer>,
  tell: (digest: string) => void,
): AsyncIterable<Buffer> {
  const hash = createHash('sha256');
  for await (const chunk of content) {
    hash.update(chunk);
    yield chunk;
  }
  tell(hash.digest('hex'));
}
