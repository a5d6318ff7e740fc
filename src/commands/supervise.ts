import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:os';
import { sleep } from '../deadline.ts';
import {
  HEALTH_TIMEOUT_MS,
  WORKER_RESTART_MAX_MS,
  WORKER_RESTART_MS,
  WORKER_STEADY_MS,
  WORKER_STOP_TIMEOUT_MS,
} from '../limits.ts';
import { createLineSplitter } from './prefix-lines.ts';
import { restartDelayMs, type WorkerLimits } from './workers.ts';

/** How soon a process that is down, or up again, is noticed and told. */
const LOOK_MS = 1_000;
/** A process answers within HEALTH_TIMEOUT_MS if it can, and the answer needs a moment to get here. */
const LOOK_TIMEOUT_MS = HEALTH_TIMEOUT_MS + 1_000;

/** A process to be run, and run again whenever it ends. */
export interface Command {
  readonly name: string;
  /** For `process.execPath`: the arguments of Node, or of this program when it is one file. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Where it answers `/readyz`. */
  readonly opsUrl: string;
  /** Processes stop in this order, those of one number together. */
  readonly stopTurn: number;
  /** It goes on for so long after it is told to stop. */
  readonly drainMs: number;
}

export interface ProcessState {
  readonly name: string;
  readonly pid: number | undefined;
  readonly isReady: boolean;
}

export interface SuperviseOptions {
  readonly commands: readonly Command[];
  /** A line that a process printed. */
  readonly take: (name: string, line: string, stream: 'out' | 'err') => void;
  /** A sentence of the supervisor's own. */
  readonly say: (sentence: string) => void;
  /** After a start, an end, and a change of readiness. */
  readonly onChange: (states: readonly ProcessState[]) => void;
  /** Once: every process has been ready. */
  readonly onReady: (states: readonly ProcessState[]) => void;
  readonly limits?: Partial<SuperviseLimits>;
}

type SuperviseLimits = Omit<WorkerLimits, 'metricsTimeoutMs'> & { readonly lookMs: number };

const defaults: SuperviseLimits = {
  steadyMs: WORKER_STEADY_MS,
  restartMs: WORKER_RESTART_MS,
  restartMaxMs: WORKER_RESTART_MAX_MS,
  stopTimeoutMs: WORKER_STOP_TIMEOUT_MS,
  lookMs: LOOK_MS,
};

/** The place of one process, which its successors take. */
interface Slot {
  readonly command: Command;
  child?: ChildProcess;
  startedAt: number;
  /** Whether it has answered at all; before, a signal that it does not know yet would end it. */
  isListening: boolean;
  /** Deaths in a row soon after the start. */
  earlyDeaths: number;
  restart?: NodeJS.Timeout;
  /** What keeps it from work; undefined: it is ready. */
  problem: string | undefined;
  wasReady: boolean;
}

/**
 * Runs all commands at once as processes of Node, starts each again when it ends, and looks after their readiness.
 * Until each has been ready once, one that ends ends them all, since it would hardly start better a second time.
 *
 * Resolves when no process is left, with the exit code for this one: that of the process that did not start, or 0
 * after SIGINT or SIGTERM, which stop them turn by turn, each within `stopTimeoutMs` and its own `drainMs`. A second signal
 * kills them and ends this process at once. If this process dies, each of them ends itself, as its channel closes.
 */
export async function supervise(options: SuperviseOptions): Promise<number> {
  const { commands, take, say, onChange, onReady } = options;
  const limits = { ...defaults, ...options.limits };
  const slots = commands.map(
    (command): Slot => ({
      command,
      startedAt: 0,
      isListening: false,
      earlyDeaths: 0,
      problem: 'starting',
      wasReady: false,
    }),
  );
  const ended = Promise.withResolvers<void>();
  const stopAsked = new AbortController();
  let phase: 'starting' | 'running' | 'stopping' = 'starting';
  let exitCode = 0;
  /** The log's level is each process's own; one that starts later is told as well. */
  let isDetailed = false;

  const states = (): ProcessState[] =>
    slots.map(({ command, child, problem }) => {
      return { name: command.name, pid: child?.pid, isReady: problem === undefined };
    });

  function start(slot: Slot): void {
    const { name, args, env } = slot.command;
    const child = spawn(process.execPath, args, {
      env,
      stdio: ['pipe', 'pipe', 'pipe', 'ipc'],
      // Out of the terminal's reach: its ctrl-C would stop all of them at once, and before their turn.
      detached: true,
    });
    // Nothing to read. `ignore` would open /dev/null, which a bare chroot lacks.
    child.stdin?.end();
    slot.child = child;
    slot.startedAt = performance.now();
    slot.isListening = false;
    for (const [stream, source] of [
      ['out', child.stdout],
      ['err', child.stderr],
    ] as const) {
      const splitter = createLineSplitter((line) => take(name, line, stream));
      source?.on('data', (chunk: Buffer) => splitter.write(chunk));
      source?.on('end', () => splitter.end());
    }
    child.on('error', (error) => {
      say(`${name}: ${error.message}`);
      // One that could not be started at all has no exit to report.
      if (child.pid === undefined) takeEnd(slot, 1, null);
    });
    child.once('exit', (code, signal) => takeEnd(slot, code, signal));
    onChange(states());
  }

  function takeEnd(slot: Slot, code: number | null, signal: NodeJS.Signals | null): void {
    const { name } = slot.command;
    const how = signal === null ? `with exit code ${code}` : `by ${signal}`;
    slot.child = undefined;
    slot.problem = 'it has ended';
    if (phase === 'starting' && !slot.wasReady) {
      say(`${name} has ended ${how} before it was ready; stopping the others`);
      exitCode = signal === null ? (code ?? 1) : 128 + constants.signals[signal];
      void stopAll();
    } else if (phase !== 'stopping') {
      const isEarly = performance.now() - slot.startedAt < limits.steadyMs;
      slot.earlyDeaths = isEarly ? slot.earlyDeaths + 1 : 0;
      const delayMs = restartDelayMs(slot.earlyDeaths, limits);
      say(`${name} has ended ${how}; starting again ${delayMs === 0 ? 'now' : `in ${delayMs} ms`}`);
      slot.restart = setTimeout(() => start(slot), delayMs);
    }
    onChange(states());
  }

  /** Asks one process how it is, and tells if that is news. */
  async function look(slot: Slot): Promise<void> {
    const { child } = slot;
    if (child === undefined) return;
    const problem = await askReady(slot.command.opsUrl);
    // It has ended, or a successor has come, while it was asked.
    if (slot.child !== child || phase === 'stopping') return;
    if (problem !== SILENT && !slot.isListening) {
      slot.isListening = true;
      if (isDetailed) child.kill('SIGUSR2');
    }
    if (problem === slot.problem) return;
    const wasReady = slot.problem === undefined;
    slot.problem = problem;
    if (slot.wasReady && problem !== undefined && wasReady)
      say(`${slot.command.name} is not ready: ${problem}`);
    if (slot.wasReady && problem === undefined) say(`${slot.command.name} is ready again`);
    if (problem === undefined) slot.wasReady = true;
    if ((problem === undefined) !== wasReady) onChange(states());
    if (phase === 'starting' && slots.every((one) => one.wasReady)) {
      phase = 'running';
      onReady(states());
    }
  }

  /** Each process on its own, so that one that hangs delays no news of the others. */
  async function watch(slot: Slot): Promise<void> {
    while (!stopAsked.signal.aborted) {
      await look(slot);
      await sleep(limits.lookMs, stopAsked.signal);
    }
  }

  async function stopAll(): Promise<void> {
    if (phase === 'stopping') return;
    phase = 'stopping';
    stopAsked.abort();
    for (const { restart } of slots) clearTimeout(restart);
    const turns = [...new Set(commands.map(({ stopTurn }) => stopTurn))].sort((one, other) => one - other);
    for (const turn of turns) {
      await Promise.all(slots.filter(({ command }) => command.stopTurn === turn).map(stopOne));
    }
    ended.resolve();
  }

  async function stopOne({ command, child }: Slot): Promise<void> {
    if (child === undefined) return;
    const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
    child.kill('SIGTERM');
    const timeoutMs = limits.stopTimeoutMs + command.drainMs;
    const cut = setTimeout(() => {
      say(`${command.name} did not stop within ${timeoutMs / 1_000} s: killed`);
      child.kill('SIGKILL');
    }, timeoutMs);
    await closed;
    clearTimeout(cut);
  }

  function takeSignal(signal: NodeJS.Signals): void {
    if (phase === 'stopping') {
      for (const { child } of slots) child?.kill('SIGKILL');
      process.exit(128 + constants.signals[signal]);
    }
    say(`${signal}: stopping; once more to stop at once`);
    void stopAll();
  }

  const signals = ['SIGINT', 'SIGTERM'] as const;
  for (const signal of signals) process.on(signal, takeSignal);
  const pass = (signal: NodeJS.Signals) => {
    isDetailed = !isDetailed;
    for (const { child, isListening } of slots) if (isListening) child?.kill(signal);
  };
  process.on('SIGUSR2', pass);
  slots.forEach(start);
  const watching = Promise.all(slots.map(watch));
  await ended.promise;
  await watching;
  for (const signal of signals) process.off(signal, takeSignal);
  process.off('SIGUSR2', pass);
  return exitCode;
}

const SILENT = 'it does not answer';

/** What keeps a process from work, as it says itself; undefined when it is ready. */
async function askReady(opsUrl: string): Promise<string | undefined> {
  try {
    const answer = await fetch(`${opsUrl}/readyz`, { signal: AbortSignal.timeout(LOOK_TIMEOUT_MS) });
    const body = (await answer.json()) as { problems?: readonly string[] };
    return answer.status === 200 ? undefined : (body.problems?.join('; ') ?? `status ${answer.status}`);
  } catch {
    return SILENT;
  }
}
