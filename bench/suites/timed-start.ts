import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { pickPorts } from '../../src/commands/pick-ports.ts';
import { sleep } from '../../src/deadline.ts';
import { endWithProcess } from '../../src/testing/servers/end-with-process.ts';

/** A few ms, so that what is measured is the start and not the wait for the next look. */
const LOOK_MS = 4;
const READY_MS = 60_000;
const END_MS = 20_000;

export interface TimedStart {
  readonly url: string;
  readonly pid: number;
  /** From the spawn to the first 200 of `/readyz`, on the operations port. */
  readonly readyMs: number;
  /** By SIGTERM. Rejects when it ends with any code but 0. */
  stop(): Promise<void>;
}

/** Starts a shop by `command` with no setting but `env` and free ports, and resolves when it is ready. */
export async function timedStart(options: {
  command: readonly string[];
  env: Readonly<Record<string, string>>;
  /** Takes its log. */
  folder: string;
}): Promise<TimedStart> {
  const [program = '', ...args] = options.command;
  const port = await pickPorts(2);
  const logFile = join(options.folder, 'log');
  const log = openSync(logFile, 'a');
  const spawnedAt = performance.now();
  const child = spawn(program, args, {
    env: {
      PATH: process.env.PATH ?? '',
      HOST: '127.0.0.1',
      PORT: String(port),
      OPS_PORT: String(port + 1),
      ...options.env,
    },
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  const release = endWithProcess(() => child.kill('SIGKILL'));
  const logTail = () => readFileSync(logFile, 'utf8').trimEnd().split('\n').slice(-15).join('\n');
  while (!(await isReady(port + 1))) {
    const why = whyNot(child, spawnedAt);
    if (why !== undefined) {
      child.kill('SIGKILL');
      release();
      throw new Error(`the shop ${why}:\n${logTail()}`);
    }
    await sleep(LOOK_MS);
  }
  const readyMs = performance.now() - spawnedAt;
  return {
    url: `http://127.0.0.1:${port}`,
    pid: child.pid!,
    readyMs,
    async stop() {
      const code = await end(child);
      release();
      if (code !== 0) throw new Error(`the shop ended with ${code}:\n${logTail()}`);
    },
  };
}

function whyNot(child: ChildProcess, spawnedAt: number): string | undefined {
  if (child.exitCode !== null) return `ended with ${child.exitCode} before it was ready`;
  if (performance.now() - spawnedAt > READY_MS) return `was not ready in ${READY_MS} ms`;
  return undefined;
}

/** A connection of its own for each look: a port that does not listen yet refuses it at once. */
function isReady(opsPort: number): Promise<boolean> {
  const answer = Promise.withResolvers<boolean>();
  const request = get({ host: '127.0.0.1', port: opsPort, path: '/readyz', agent: false }, (response) => {
    response.resume();
    answer.resolve(response.statusCode === 200);
  });
  request.on('error', () => answer.resolve(false));
  return answer.promise;
}

/** By SIGTERM, and by SIGKILL when that takes too long; null when it was killed. */
async function end(child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  const late = setTimeout(() => child.kill('SIGKILL'), END_MS);
  const [code] = await ended;
  clearTimeout(late);
  return code as number | null;
}
