import { execFile } from 'node:child_process';
import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { endWithProcess } from '../src/testing/servers/end-with-process.ts';
import type { Bench } from './suite.ts';

let built: Promise<string> | undefined;

/** The program as `npm run build` makes it, built once a run; its path. */
export async function bundledShop(bench: Bench): Promise<string> {
  // Not in the suite's folder, since other suites use it too.
  built ??= build(bench, join(tmpdir(), `banyan-bench-build-${process.pid}`));
  return await built;
}

async function build(bench: Bench, folder: string): Promise<string> {
  bench.say('building the bundled shop');
  endWithProcess(() => rmSync(folder, { recursive: true, force: true }));
  const script = join(import.meta.dirname, '../build/server.ts');
  await promisify(execFile)(process.execPath, [script, folder]);
  return join(folder, 'banyan-server/banyan.js');
}
