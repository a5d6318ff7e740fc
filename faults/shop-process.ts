import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sleep } from '../src/deadline.ts';
import { endWithProcess } from '../src/testing/servers/end-with-process.ts';

/** The command that people run. */
const banyan = join(import.meta.dirname, '../bin/banyan');
/** Starts take a third less of a machine that is short of cores; Node keeps apart what is of another version. */
const compileCache = join(tmpdir(), 'banyan-faults-compile-cache');
const POLL_MS = 50;
/** A start takes about 2 s; many at a time on a busy machine take longer. */
const READY_MS = 90_000;
/** Before a process that died unasked is started again, so that one which cannot start does not spin. */
const UNASKED_RESTART_MS = 1_000;
const LOG_LINES = 15;
/** Two ports of 10 s each and some parts of 12 s, one after another; nobody waits longer for a process to end. */
const END_MS = 60_000;

export interface ShopProcessOptions {
  /** As `http-1`. */
  readonly name: string;
  /** Whether it answers requests; then it may do the rest too, by ROLES in `env`. */
  readonly role: 'http' | 'worker';
  readonly port: number;
  readonly opsPort: number;
  /** Asked at each start; `start` counts from 1. */
  readonly env: (start: number) => Readonly<Record<string, string>>;
  /** Whether an end that nobody outside asked for belongs to the fault, as where the process kills itself. */
  readonly mayEnd?: (code: number | null, signal: NodeJS.Signals | null) => boolean;
  readonly onUnaskedEnd: (description: string) => void;
  readonly folder: string;
}

/** One process of the shop, started again whenever it ends. */
export interface ShopProcess {
  readonly name: string;
  readonly role: 'http' | 'worker';
  readonly url: string;
  readonly opsUrl: string;
  readonly logFile: string;
  /** Undefined between an end and the next start. */
  readonly pid: number | undefined;
  /** How often it was started. */
  readonly starts: number;
  /** Whether it is to run: until it is stopped. */
  readonly isWanted: boolean;
  start(): void;
  /** Resolves when `/readyz` of the operations port answers 200; rejects with its log when it does not in 90 s. */
  ready(): Promise<void>;
  /** Sends SIGKILL, and resolves when the process is gone and its successor is starting. */
  kill(): Promise<void>;
  /** Sends SIGKILL, and resolves when the process is gone; `start` starts it again. */
  takeDown(): Promise<void>;
  /** Sends SIGTERM, and resolves with the exit code once its successor is starting; any code but 0 is noted. */
  replace(): Promise<number | null>;
  /** Sends a signal that does not end it, as SIGSTOP. */
  signal(signal: NodeJS.Signals): void;
  /** Ends it for good, by SIGTERM; any code but 0 is noted. */
  stop(): Promise<void>;
  /** The last lines of its log. */
  logTail(): string;
}

/** Prepares one process of the shop; `start` starts it. It ends with this process. */
export function createShopProcess(options: ShopProcessOptions): ShopProcess {
  const { name, role, port, opsPort, env, folder, mayEnd, onUnaskedEnd } = options;
  const logFile = join(folder, `${name}.log`);
  const url = `http://127.0.0.1:${port}`;
  const opsUrl = `http://127.0.0.1:${opsPort}`;
  let child: ChildProcess | undefined;
  let ended = Promise.withResolvers<number | null>();
  let asked: NodeJS.Signals | undefined;
  let wanted = true;
  let keptDown = false;
  let starts = 0;
  const release = endWithProcess(() => child?.kill('SIGKILL'));

  function start(): void {
    if (!wanted) return;
    keptDown = false;
    starts += 1;
    const log = openSync(logFile, 'a');
    const started = spawn(banyan, ['serve'], {
      env: {
        PATH: process.env.PATH ?? '',
        HOST: '127.0.0.1',
        PORT: String(port),
        OPS_PORT: String(opsPort),
        ROLES: role,
        NODE_COMPILE_CACHE: compileCache,
        ...env(starts),
      },
      stdio: ['ignore', log, log],
    });
    closeSync(log);
    child = started;
    asked = undefined;
    ended = Promise.withResolvers();
    started.once('exit', (code, signal) => onEnd(code, signal));
  }

  function onEnd(code: number | null, signal: NodeJS.Signals | null): void {
    const isAsked = (asked === 'SIGKILL' && signal === 'SIGKILL') || (asked === 'SIGTERM' && code === 0);
    const expected = isAsked || mayEnd?.(code, signal) === true;
    const { resolve } = ended;
    child = undefined;
    if (expected) {
      if (!keptDown) start();
    } else {
      const cause = asked === undefined ? 'by itself' : `after ${asked}`;
      onUnaskedEnd(`${name} ended ${cause} with ${signal ?? `code ${code}`}:\n${logTail()}`);
      setTimeout(start, UNASKED_RESTART_MS);
    }
    resolve(code);
  }

  async function end(signal: 'SIGKILL' | 'SIGTERM'): Promise<number | null> {
    // A process that is down comes back by itself first, so that each injection hits one.
    while (child === undefined) await sleep(POLL_MS);
    asked = signal;
    const { promise } = ended;
    const dying = child;
    const givingUp = setTimeout(() => {
      onUnaskedEnd(`${name} did not end within ${END_MS} ms after ${signal}:\n${logTail()}`);
      dying.kill('SIGKILL');
    }, END_MS);
    dying.kill(signal);
    return await promise.finally(() => clearTimeout(givingUp));
  }

  function logTail(): string {
    return readFileSync(logFile, 'utf8').trimEnd().split('\n').slice(-LOG_LINES).join('\n');
  }

  return {
    name,
    role,
    url,
    opsUrl,
    logFile,
    get pid() {
      return child?.pid;
    },
    get starts() {
      return starts;
    },
    get isWanted() {
      return wanted;
    },
    start,
    async ready() {
      const endsAt = performance.now() + READY_MS;
      while (!(await isReady(opsUrl))) {
        if (performance.now() > endsAt)
          throw new Error(`${name} was not ready in ${READY_MS} ms:\n${logTail()}`);
        await sleep(POLL_MS);
      }
    },
    async kill() {
      await end('SIGKILL');
    },
    async takeDown() {
      keptDown = true;
      await end('SIGKILL');
    },
    replace: () => end('SIGTERM'),
    signal(signal) {
      child?.kill(signal);
    },
    async stop() {
      wanted = false;
      if (child !== undefined) await end('SIGTERM');
      release();
    },
    logTail,
  };
}

/** Whether the process at this operations port can do real work now. */
export async function isReady(opsUrl: string): Promise<boolean> {
  try {
    const answer = await fetch(`${opsUrl}/readyz`, { signal: AbortSignal.timeout(3_000) });
    await answer.arrayBuffer();
    return answer.status === 200;
  } catch {
    return false;
  }
}
