import { join } from 'node:path';
import type { Failpoint } from '../src/failpoint.ts';

const preload = `--import=${join(import.meta.dirname, 'arm-failpoints.ts')}`;

/** Settings of a process that kills itself the `hits`-th time it comes to a point, and notes that in `log`. */
export function dieAt(point: Failpoint, hits: number, log: string): Record<string, string> {
  return { NODE_OPTIONS: preload, FAILPOINT: point, FAILPOINT_HITS: String(hits), FAILPOINT_LOG: log };
}

/** Settings of a process whose event handlers fail at a share, from 0 to 1, of their commits, and are tried again. */
export function refuseCommits(share: number, seed: number): Record<string, string> {
  return { NODE_OPTIONS: preload, FAILPOINT_FAILS: String(share), FAILPOINT_SEED: String(seed) };
}
