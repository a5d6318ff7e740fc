import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** What `banyan up` runs, for scripts on this machine: the file `up.json` in the data folder. */
export interface UpFile {
  /** Of `banyan up` itself. */
  readonly pid: number;
  readonly placement: string;
  /** Where people's requests come to. */
  readonly url: string;
  /** By name. */
  readonly processes: Readonly<
    Record<
      string,
      {
        /** Undefined while it has ended and is not yet started again. */
        readonly pid: number | undefined;
        readonly url: string;
        readonly opsUrl: string;
        /** Whether it said so when last asked, a second ago at most. */
        readonly isReady: boolean;
      }
    >
  >;
}

function pathIn(dataDir: string): string {
  return join(dataDir, 'up.json');
}

/** Written whole or not at all. */
export function writeUpFile(dataDir: string, content: UpFile): void {
  mkdirSync(dataDir, { recursive: true });
  const draft = `${pathIn(dataDir)}.${content.pid}`;
  writeFileSync(draft, `${JSON.stringify(content, null, 2)}\n`);
  renameSync(draft, pathIn(dataDir));
}

export function removeUpFile(dataDir: string): void {
  rmSync(pathIn(dataDir), { force: true });
}
