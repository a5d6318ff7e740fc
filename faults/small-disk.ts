import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmdirSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { endWithProcess } from '../src/testing/servers/end-with-process.ts';

/** A file system of its own in memory, small enough to be filled. */
export interface SmallDisk {
  readonly folder: string;
  /** Takes all space that is left; again when some was freed meanwhile. */
  fill(): void;
  free(): void;
  /** Takes it away, whatever is on it. */
  remove(): void;
}

/** Chunks get smaller, so that not even a page is left. */
const CHUNKS = [1024 * 1024, 4096, 1];

/** Mounts one. Throws, saying why, where this process may not. */
export function mountSmallDisk(megabytes: number): SmallDisk {
  if (process.getuid?.() !== 0) throw new Error('only root can mount a small disk: run this fault as root');
  const folder = mkdtempSync(join(tmpdir(), 'banyan-disk-'));
  try {
    // Open to everybody: Postgres runs as somebody else.
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=1777`, 'tmpfs', folder]);
  } catch (cause) {
    rmdirSync(folder);
    throw new Error('a small disk cannot be mounted here, which takes root with CAP_SYS_ADMIN', { cause });
  }
  const filler = join(folder, 'filler');
  const remove = () => {
    release();
    // Whoever still has a file open there keeps it until they close it.
    execFileSync('umount', ['-l', folder]);
    rmdirSync(folder);
  };
  const release = endWithProcess(remove);
  return {
    folder,
    fill() {
      const file = openSync(filler, 'a');
      try {
        for (const bytes of CHUNKS) writeUntilFull(file, Buffer.alloc(bytes));
      } finally {
        closeSync(file);
      }
    },
    free: () => rmSync(filler, { force: true }),
    remove,
  };
}

function writeUntilFull(file: number, chunk: Buffer): void {
  try {
    while (writeSync(file, chunk) === chunk.length);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  }
}
