import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * What `banyan up` runs, for scripts on this machine: the file `up.json` in the data folder. Beside it
 * `up-targets.json` tells Prometheus where to scrape, in the form of its `file_sd_configs`.
 */
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

const UP = 'up.json';
const TARGETS = 'up-targets.json';

export function writeUpFile(dataDir: string, content: UpFile): void {
  mkdirSync(dataDir, { recursive: true });
  writeWhole(join(dataDir, UP), content, content.pid);
  const targets = Object.entries(content.processes).map(([name, { opsUrl }]) => ({
    targets: [new URL(opsUrl).host],
    labels: { process: name },
  }));
  writeWhole(join(dataDir, TARGETS), targets, content.pid);
}

/** Whole or not at all. */
function writeWhole(path: string, content: unknown, pid: number): void {
  const draft = `${path}.${pid}`;
  writeFileSync(draft, `${JSON.stringify(content, null, 2)}\n`);
  renameSync(draft, path);
}

export function removeUpFile(dataDir: string): void {
  for (const name of [UP, TARGETS]) rmSync(join(dataDir, name), { force: true });
}
