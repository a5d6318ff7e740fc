import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** How a program ended, and what it printed. */
export interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs a program of this machine to its end. Rejects when it cannot be started. */
export async function tryRun(program: string, args: readonly string[]): Promise<Ended> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk) => {
    out += String(chunk);
  });
  child.stderr.on('data', (chunk) => {
    err += String(chunk);
  });
  const [code] = await once(child, 'close');
  return { code: code ?? -1, out, err };
}

/** The same, and rejects with what it printed last when its exit code is not 0. */
export async function run(program: string, args: readonly string[]): Promise<Ended> {
  const ended = await tryRun(program, args);
  if (ended.code === 0) return ended;
  const last = `${ended.out}\n${ended.err}`.trim().split('\n').slice(-25).join('\n');
  throw new Error(`${program} ${args.join(' ')} ended with ${ended.code}:\n${last}`);
}
