import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { sleep, withDeadline } from '../../deadline.ts';
import { killAll, noteWorkingFolder } from './server-folder.ts';
import type { User } from './unprivileged-user.ts';

/** How to run one server, again and again, on the same data. */
export interface ServerProgram {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly user?: User;
  /** The server's own folder, to which its log goes. */
  readonly folder: string;
  /** Where the process works; its own folder unless it changes to another. */
  readonly workingFolder?: string;
  /** Whether the process of this id answers by now. */
  readonly isReady: (pid: number) => Promise<boolean>;
  /** Whether starting again may help after the process ended early and logged this. */
  readonly isWorthRetrying?: (log: string) => boolean;
}

export interface ServerProcess {
  /** Undefined while it is down. */
  readonly pid: number | undefined;
  /** Resolves when it answers; rejects with the end of its log when it does not within 30 s. */
  start(): Promise<void>;
  /** Sends a signal and waits for nothing. */
  signal(signal: NodeJS.Signals): void;
  /**
   * Sends a signal and resolves when the process is gone; after 30 s it is killed. What it started and left behind is
   * killed too, as far as this system tells.
   */
  end(signal: NodeJS.Signals): Promise<void>;
}

/** Recovery after a crash under load takes seconds on a slow disk. */
const START_MS = 30_000;
const END_MS = 30_000;
const POLL_MS = 20;
const LOG_TAIL = 2_000;

/** A server as a child process, not yet started. It does not keep this process alive. */
export function createServerProcess(program: ServerProgram): ServerProcess {
  const logFile = join(program.folder, 'server.log');
  const workingFolder = program.workingFolder ?? program.folder;
  let child: ChildProcess | undefined;
  let gone: Promise<void> = Promise.resolve();

  /** Undefined when it answers, or what it logged before it ended. */
  async function attempt(endsAt: number): Promise<string | undefined> {
    const log = openSync(logFile, 'a');
    const logged = () => readFileSync(logFile).subarray(logStart).toString().slice(-LOG_TAIL).trim();
    const logStart = fstatSync(log).size;
    const started = spawn(program.command, program.args, {
      cwd: program.folder,
      env: { PATH: process.env.PATH, ...program.env },
      // An open standard input tells a child that we are still there.
      stdio: ['pipe', log, log],
      ...program.user,
    });
    closeSync(log);
    child = started;
    const ending = Promise.withResolvers<void>();
    const onEnd = () => {
      if (child === started) child = undefined;
      ending.resolve();
    };
    gone = ending.promise;
    let failure = '';
    started.once('exit', onEnd);
    started.once('error', (error) => {
      failure = error.message;
      onEnd();
    });
    started.unref();
    if (started.stdin instanceof Socket) started.stdin.unref();
    const { pid } = started;
    while (child === started) {
      if (pid !== undefined && (await program.isReady(pid))) return undefined;
      if (performance.now() > endsAt) {
        started.kill('SIGKILL');
        throw new Error(`${program.name} did not answer within ${START_MS} ms: ${logged()}`);
      }
      await sleep(POLL_MS);
    }
    return failure || logged();
  }

  return {
    get pid() {
      return child?.pid;
    },
    async start() {
      if (child !== undefined) throw new Error(`${program.name} is running already`);
      killAll(workingFolder, 'SIGKILL');
      await noteWorkingFolder(program.folder, workingFolder);
      const endsAt = performance.now() + START_MS;
      for (;;) {
        const failure = await attempt(endsAt);
        if (failure === undefined) return;
        const again = program.isWorthRetrying?.(failure) === true && performance.now() < endsAt;
        if (!again) throw new Error(`${program.name} did not start: ${failure}`);
        await sleep(POLL_MS);
      }
    },
    signal(signal) {
      child?.kill(signal);
    },
    async end(signal) {
      if (child !== undefined) await endChild(child, signal);
      // Postgres's sessions outlive a killed postmaster until their statement ends, and hold its shared memory.
      killAll(workingFolder, 'SIGKILL');
    },
  };

  async function endChild(ending: ChildProcess, signal: NodeJS.Signals): Promise<void> {
    ending.kill(signal);
    // A stopped process sees no other signal but SIGKILL before this one.
    ending.kill('SIGCONT');
    try {
      await withDeadline(gone, END_MS, `the end of ${program.name}`);
    } catch {
      ending.kill('SIGKILL');
      await gone;
    }
  }
}
