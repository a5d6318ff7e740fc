import cluster, { type Worker } from 'node:cluster';
import { constants } from 'node:os';
import { backoffMs } from '../deadline.ts';
import {
  METRICS_TIMEOUT_MS,
  WORKER_RESTART_MAX_MS,
  WORKER_RESTART_MS,
  WORKER_STEADY_MS,
  WORKER_STOP_TIMEOUT_MS,
} from '../limits.ts';
import type { Logger } from '../telemetry/log.ts';
import { createMetricsCollector } from './collect-metrics.ts';
import { programArgs } from './program.ts';
import type { FromWorker } from './worker-messages.ts';

/** How patient the primary is with its workers. */
export interface WorkerLimits {
  /** A worker that lived longer than this had started well. */
  readonly steadyMs: number;
  readonly restartMs: number;
  readonly restartMaxMs: number;
  /** After a signal, workers get this long. */
  readonly stopTimeoutMs: number;
  /** Workers that have not told their metrics by then are left out of a scrape. */
  readonly metricsTimeoutMs: number;
}

const defaults: WorkerLimits = {
  steadyMs: WORKER_STEADY_MS,
  restartMs: WORKER_RESTART_MS,
  restartMaxMs: WORKER_RESTART_MAX_MS,
  stopTimeoutMs: WORKER_STOP_TIMEOUT_MS,
  metricsTimeoutMs: METRICS_TIMEOUT_MS,
};

/** The place of one worker, which its successors take. */
interface Slot {
  /** From 1; names the worker in metrics, so that series do not multiply with restarts. */
  readonly number: number;
  worker?: Worker;
  startedAt: number;
  /** Whether it has said so; before, a signal that it does not know yet would end it. */
  isReady: boolean;
  /** Deaths in a row soon after the start. */
  earlyDeaths: number;
  restart?: NodeJS.Timeout;
}

/**
 * Runs `count` processes of this very command, which share the ports they listen on, and replaces each that ends.
 * The first starts alone, so that it migrates and finds what is wrong with the configuration once for all; the
 * others follow when it says that it is ready.
 *
 * Resolves when no worker is left, with the exit code for this process: that of the first worker if it ended
 * before it was ready, and 0 after SIGINT or SIGTERM, which let the workers stop in order. A second signal kills
 * them and ends this process at once. If this process dies, Node ends its workers, as their channel closes.
 */
export async function runWorkers(options: {
  count: number;
  log: Logger;
  /** What workers take longer to stop by; default: nothing. */
  drainMs?: number;
  limits?: Partial<WorkerLimits>;
}): Promise<number> {
  const { count, log, drainMs = 0 } = options;
  const limits = { ...defaults, ...options.limits };
  const slots = Array.from({ length: count }, (_, index): Slot => {
    return { number: index + 1, startedAt: 0, isReady: false, earlyDeaths: 0 };
  });
  const living = () => slots.flatMap(({ worker }) => worker ?? []);
  const metrics = createMetricsCollector(living, limits.metricsTimeoutMs);
  const ended = Promise.withResolvers<number>();
  let phase: 'starting' | 'running' | 'stopping' = 'starting';

  // Workers accept connections themselves. Those that a primary hands out one by one, Node's other way, hang for
  // ever when their worker has just been killed (seen with Node 26); here the kernel resets or keeps them.
  cluster.schedulingPolicy = cluster.SCHED_NONE;
  const [exec, ...args] = [...programArgs, ...process.argv.slice(2)];
  // The default, JSON, has no NaN, which metrics may hold.
  cluster.setupPrimary({ exec, args, serialization: 'advanced' });

  function start(slot: Slot): void {
    const worker = cluster.fork();
    slot.worker = worker;
    slot.startedAt = performance.now();
    slot.isReady = false;
    worker.on('message', (message: FromWorker) => {
      if (message.type === 'ready') takeReady(slot, worker);
      else metrics.take(worker, slot.number, message);
    });
    worker.on('error', (error) => {
      log.error({ err: error, worker: slot.number, pid: worker.process.pid }, 'fault with a worker');
      // One that could not be started at all has no exit to report.
      if (worker.process.pid === undefined) takeEnd(slot, { code: 1, signal: null });
    });
    worker.once('exit', (code: number, signal: NodeJS.Signals | null) =>
      takeEnd(slot, { pid: worker.process.pid, code, signal }),
    );
  }

  function takeReady(slot: Slot, worker: Worker): void {
    slot.isReady = true;
    if (isDetailed) kill([worker], 'SIGUSR2');
    startTheRest();
  }

  function startTheRest(): void {
    if (phase !== 'starting') return;
    phase = 'running';
    slots.slice(1).forEach(start);
  }

  function takeEnd(slot: Slot, end: { pid?: number; code: number; signal: NodeJS.Signals | null }): void {
    slot.worker = undefined;
    if (phase === 'starting') {
      ended.resolve(end.signal === null ? end.code : 128 + constants.signals[end.signal]);
    } else if (phase === 'running') {
      const isEarly = performance.now() - slot.startedAt < limits.steadyMs;
      slot.earlyDeaths = isEarly ? slot.earlyDeaths + 1 : 0;
      const delayMs = restartDelayMs(slot.earlyDeaths, limits);
      log.error({ worker: slot.number, ...end, restartMs: delayMs }, 'a worker has ended; another follows');
      slot.restart = setTimeout(() => start(slot), delayMs);
    } else if (living().length === 0) {
      ended.resolve(0);
    }
  }

  function stop(signal: NodeJS.Signals): void {
    if (phase === 'stopping') {
      kill(living(), 'SIGKILL');
      process.exit(128 + constants.signals[signal]);
    }
    log.info({ signal, workers: living().length }, 'stopping; once more to stop at once');
    phase = 'stopping';
    for (const { restart } of slots) clearTimeout(restart);
    kill(living(), 'SIGTERM');
    cut = setTimeout(() => {
      log.error({ pids: living().map((worker) => worker.process.pid) }, 'workers did not stop: killed');
      kill(living(), 'SIGKILL');
    }, limits.stopTimeoutMs + drainMs);
    if (living().length === 0) ended.resolve(0);
  }

  let cut: NodeJS.Timeout | undefined;
  /** The log's level is each worker's own; one that starts later is told as well. */
  let isDetailed = false;
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  process.on('SIGUSR2', (signal) => {
    isDetailed = !isDetailed;
    kill(
      slots.flatMap(({ worker, isReady }) => (worker && isReady ? worker : [])),
      signal,
    );
  });
  start(slots[0]!);
  const code = await ended.promise;
  clearTimeout(cut);
  return code;
}

/** A first death may be chance, so the successor starts at once; a worker that keeps dying would eat the machine. */
export function restartDelayMs(
  earlyDeaths: number,
  limits: Pick<WorkerLimits, 'restartMs' | 'restartMaxMs'>,
): number {
  return earlyDeaths <= 1 ? 0 : backoffMs(earlyDeaths - 2, limits.restartMs, limits.restartMaxMs);
}

function kill(workers: readonly Worker[], signal: NodeJS.Signals): void {
  for (const worker of workers) worker.process.kill(signal);
}
