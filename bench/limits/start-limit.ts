import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { type Usage, usageOf } from '../about.ts';
import type { Bench } from '../suite.ts';

/** A server that does next to nothing, in a process of its own. */
export interface LimitServer {
  readonly url: string;
  readonly pid: number;
  usage(): Usage;
}

/** Runs a program of this folder that sends its port once it listens; it ends with the suite. */
export async function startLimit(bench: Bench, file: string, ...args: string[]): Promise<LimitServer> {
  const child = fork(join(import.meta.dirname, file), args, {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  bench.atEnd(() => child.kill('SIGKILL'));
  const ended = new AbortController();
  child.once('exit', () => ended.abort(new Error(`${file} ended before it listened`)));
  const [port] = (await once(child, 'message', { signal: ended.signal })) as [number];
  return { url: `http://127.0.0.1:${port}`, pid: child.pid!, usage: () => usageOf(child.pid!) };
}
