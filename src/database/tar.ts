import { AppError, invariant } from '../errors.ts';

/** A file or a folder of an archive. */
export interface TarEntry {
  /** With slashes, from the archive's root; a folder's without one at its end. */
  readonly name: string;
  readonly type: 'file' | 'folder';
  /** Bytes of a file; `content` has just as many. */
  readonly size: number;
  readonly content: AsyncIterable<Buffer>;
}

const BLOCK = 512;
const NAME_BYTES = 100;
/** Fields of a header: where each begins, and how many bytes it has. */
const SIZE = [124, 12] as const;
const CHECKSUM = [148, 8] as const;
/** Eleven octal digits; larger sizes are written in binary, which GNU tar, bsdtar and others read too. */
const OCTAL_LIMIT = 8 ** 11;

/** The archive's bytes (POSIX ustar), which every `tar` unpacks. Files and folders are their owner's alone. */
export async function* writeTar(entries: AsyncIterable<TarEntry>): AsyncIterable<Buffer> {
  for await (const entry of entries) {
    yield headerOf(entry);
    let written = 0;
    for await (const chunk of entry.content) {
      written += chunk.length;
      yield chunk;
    }
    invariant(written === entry.size, `${entry.name} has the bytes that it announced`);
    if (written % BLOCK > 0) yield Buffer.alloc(BLOCK - (written % BLOCK));
  }
  yield Buffer.alloc(2 * BLOCK);
}

function headerOf({ name, type, size }: TarEntry): Buffer {
  const header = Buffer.alloc(BLOCK);
  const path = type === 'folder' ? `${name}/` : name;
  invariant(Buffer.byteLength(path) <= NAME_BYTES, `${path} is short enough for an archive`);
  header.write(path, 0);
  header.write(type === 'folder' ? '0000700\0' : '0000600\0', 100);
  header.write('0000000\0', 108);
  header.write('0000000\0', 116);
  if (size < OCTAL_LIMIT) {
    header.write(`${size.toString(8).padStart(11, '0')}\0`, SIZE[0]);
  } else {
    header.writeUInt8(0x80, SIZE[0]);
    header.writeBigUInt64BE(BigInt(size), SIZE[0] + 4);
  }
  header.write('00000000000\0', 136);
  header.write(type === 'folder' ? '5' : '0', 156);
  header.write('ustar\x0000', 257);
  header.write(`${checksumOf(header).toString(8).padStart(6, '0')}\0 `, CHECKSUM[0]);
  return header;
}

/** The sum of the header's bytes, with spaces in the checksum's place. */
function checksumOf(header: Buffer): number {
  let sum = 0;
  for (const [index, byte] of header.entries()) {
    sum += index >= CHECKSUM[0] && index < CHECKSUM[0] + CHECKSUM[1] ? 0x20 : byte;
  }
  return sum;
}

/**
 * Reads an archive that `writeTar` has written. Each entry's content must be read to its end before the next one.
 * Rejects with `backup_damaged` (invalid) at whatever is no such archive, or only a part of one.
 */
export async function* readTar(source: AsyncIterable<Buffer>): AsyncIterable<TarEntry> {
  const input = createInput(source);
  for (;;) {
    const header = await input.take(BLOCK);
    if (isZero(header)) {
      // To the end, where a compressed archive has its checksum.
      for await (const chunk of input.rest()) if (!isZero(chunk)) throw damaged('it goes on after its end');
      return;
    }
    const told = Number.parseInt(header.toString('latin1', CHECKSUM[0], CHECKSUM[0] + CHECKSUM[1]), 8);
    if (told !== checksumOf(header)) throw damaged('it is no archive, or has a damaged header');
    const name = header.toString('utf8', 0, header.subarray(0, NAME_BYTES).indexOf(0));
    const size =
      header[SIZE[0]] === 0x80
        ? Number(header.readBigUInt64BE(SIZE[0] + 4))
        : Number.parseInt(header.toString('latin1', SIZE[0], SIZE[0] + SIZE[1]), 8);
    const kind = header.toString('latin1', 156, 157);
    if (kind !== '0' && kind !== '5') throw damaged(`${name} is neither a file nor a folder`);
    const type = kind === '5' ? 'folder' : 'file';
    yield { name: name.replace(/\/$/, ''), type, size, content: input.stream(size) };
    await input.take((BLOCK - (size % BLOCK)) % BLOCK);
  }
}

function isZero(bytes: Buffer): boolean {
  return bytes.every((byte) => byte === 0);
}

export function damaged(reason: string, cause?: unknown): AppError {
  return new AppError('invalid', 'backup_damaged', reason, { cause });
}

/** Takes exact numbers of bytes out of chunks of any length. */
function createInput(source: AsyncIterable<Buffer>) {
  const chunks = source[Symbol.asyncIterator]();
  let rest: Buffer = Buffer.alloc(0);

  /** Some bytes, `atMost` and at least one. */
  async function some(atMost: number): Promise<Buffer> {
    while (rest.length === 0) {
      const { done, value } = await chunks.next();
      if (done) throw damaged('it ends too early');
      rest = value;
    }
    const taken = rest.subarray(0, atMost);
    rest = rest.subarray(taken.length);
    return taken;
  }

  async function* stream(bytes: number): AsyncIterable<Buffer> {
    for (let left = bytes; left > 0; ) {
      const chunk = await some(left);
      left -= chunk.length;
      yield chunk;
    }
  }

  return {
    stream,
    async *rest(): AsyncIterable<Buffer> {
      yield rest;
      for (let next = await chunks.next(); !next.done; next = await chunks.next()) yield next.value;
    },
    async take(bytes: number): Promise<Buffer> {
      const taken: Buffer[] = [];
      for await (const chunk of stream(bytes)) taken.push(chunk);
      return Buffer.concat(taken);
    },
  };
}
