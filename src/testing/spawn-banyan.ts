import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { type ControlInfo, readControlFile } from '../commands/control-file.ts';
import { sleep } from '../deadline.ts';
import { invariant } from '../errors.ts';

/** The command that people run. */
export const banyan = join(import.meta.dirname, '../../bin/banyan');

/** How a command ended, and what it printed. */
export interface Ending {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs a command to its end, with no setting but those given. */
export function runBanyan(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Ending> {
  const ending = Promise.withResolvers<Ending>();
  execFile(banyan, args, { env: { PATH: process.env.PATH ?? '', ...env } }, (error, out, err) =>
    ending.resolve({ code: error === null ? 0 : Number(error.code), out, err }),
  );
  return ending.promise;
}

const START_MS = 60_000;

/** A shop in a process of its own. */
export interface ShopProcess {
  readonly child: ChildProcess;
  readonly control: ControlInfo;
  /** Everything it has printed so far. */
  output(): string;
  /** Sends the signal and resolves with the exit code, or null when the signal killed it. */
  end(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null>;
}

/** Runs `banyan serve` on a folder and resolves when it answers. */
export async function spawnShop(dataDir: string, env: Record<string, string>): Promise<ShopProcess> {
  const child = spawn(banyan, ['serve', '--data-dir', dataDir], {
    env: { PATH: process.env.PATH ?? '', HOST: '127.0.0.1', PORT: '0', OPS_PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  child.stdout.on('data', (chunk) => {
    output += String(chunk);
  });
  child.stderr.on('data', (chunk) => {
    output += String(chunk);
  });
  const endsAt = performance.now() + START_MS;
  for (;;) {
    const control = readControlFile(dataDir);
    // A killed predecessor leaves its file behind. The launcher execs, so the process keeps the child's id.
    if (control !== undefined && control.pid === child.pid) {
      return {
        child,
        control,
        output: () => output,
        async end(signal) {
          const ended = once(child, 'exit');
          child.kill(signal);
          const [code] = await ended;
          return code as number | null;
        },
      };
    }
    invariant(child.exitCode === null, `the shop starts: ${output}`);
    invariant(performance.now() < endsAt, `the shop starts within ${START_MS} ms: ${output}`);
    await sleep(50);
  }
}
