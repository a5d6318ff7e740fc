import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { UpFile } from '../commands/up-file.ts';
import { sleep } from '../deadline.ts';
import { invariant } from '../errors.ts';

const banyan = join(import.meta.dirname, '../../bin/banyan');
/** Eleven processes share the cores of a test machine while they start. */
const START_MS = 120_000;

/** A placement that runs as processes of its own. */
export interface RunningPlacement {
  readonly child: ChildProcess;
  /** What runs now. */
  file(): UpFile;
  /** Everything printed so far. */
  output(): string;
  /** Sends the signal, if it still runs, and resolves with the exit code, or null when a signal killed it. */
  end(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null>;
}

/** Runs `banyan up` on free ports and resolves when every process is ready. `env` are all settings but these. */
export async function spawnUp(
  placement: string,
  dataDir: string,
  env: Readonly<Record<string, string>>,
): Promise<RunningPlacement> {
  const child = spawn(banyan, ['up', placement, '--port', '0', '--ops-port', '0', '--data-dir', dataDir], {
    env: { PATH: process.env.PATH ?? '', HOST: '127.0.0.1', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      output += String(chunk);
    });
  }
  let ending: number | null | undefined;
  const ended = once(child, 'exit').then(([code]) => {
    ending = code as number | null;
    return ending;
  });
  const endsAt = performance.now() + START_MS;
  while (!/^up +\| ready: /m.test(output)) {
    invariant(ending === undefined, `${placement} starts: ${output}`);
    if (performance.now() > endsAt) child.kill('SIGTERM');
    await sleep(50);
  }
  return {
    child,
    file: () => JSON.parse(readFileSync(join(dataDir, 'up.json'), 'utf8')) as UpFile,
    output: () => output,
    async end(signal) {
      child.kill(signal);
      return await ended;
    },
  };
}
