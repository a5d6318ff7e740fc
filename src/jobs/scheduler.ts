import { runInContext } from '../context.ts';
import { sleep } from '../deadline.ts';
import { isUnavailable } from '../errors.ts';
import { SCHEDULE_LOOKS, SCHEDULE_TRACED_MS, SCHEDULE_WAKE_MS } from '../limits.ts';
import type { Logger } from '../telemetry/log.ts';
import { enter } from '../telemetry/trace.ts';
import { newTrace } from '../telemetry/trace-context.ts';
import type { RunOutcome, Schedule } from './jobs.ts';

export interface Scheduler {
  /** The schedules that somebody else had better wake: the others look often enough. */
  readonly woken: readonly Schedule[];
  /** Runs a schedule if it is due and not running here; resolves when that has ended. Never rejects. */
  look(name: string): Promise<void>;
  start(): void;
  /** Resolves when the runs in progress have ended. */
  stop(): Promise<void>;
}

/**
 * Runs each schedule again and again, never twice at once in this process. `takeTurn` decides among processes who
 * runs it; what there is to do is decided by rows in the database, so a missed run is only late.
 */
export function createScheduler(
  schedules: readonly Schedule[],
  options: {
    takeTurn: (schedule: Schedule) => Promise<boolean>;
    /** Whether somebody calls `look` in time, so that looking by itself is for emergencies. */
    isWoken: () => boolean;
    /** Told of each run that has ended. */
    onEnd?: (name: string, outcome: RunOutcome) => void;
    log: Logger;
  },
): Scheduler {
  const { takeTurn, isWoken, onEnd, log } = options;
  const stopping = new AbortController();
  const running = new Map<string, Promise<void>>();
  const woken = schedules.filter(({ everyMs }) => everyMs >= SCHEDULE_WAKE_MS);
  let loops: Promise<void>[] = [];

  async function run(schedule: Schedule): Promise<void> {
    const { name } = schedule;
    try {
      if (!(await takeTurn(schedule))) return;
      await runTraced(schedule);
      onEnd?.(name, 'done');
    } catch (error) {
      onEnd?.(name, 'failed');
      const passes = isUnavailable(error);
      log[passes ? 'warn' : 'error']({ err: error, schedule: name }, 'schedule failed');
    }
  }

  async function look(schedule: Schedule): Promise<void> {
    const { name } = schedule;
    const underWay = running.get(name);
    if (underWay) return await underWay;
    const work = run(schedule).finally(() => running.delete(name));
    running.set(name, work);
    await work;
  }

  async function loop(schedule: Schedule): Promise<void> {
    while (!stopping.signal.aborted) {
      await look(schedule);
      const looks = woken.includes(schedule) && isWoken() ? SCHEDULE_LOOKS : 1;
      await sleep(schedule.everyMs * looks, stopping.signal);
    }
  }

  return {
    woken,
    async look(name) {
      const schedule = schedules.find((each) => each.name === name);
      if (schedule && !stopping.signal.aborted) await look(schedule);
    },
    start() {
      loops = schedules.map(loop);
    },
    async stop() {
      stopping.abort();
      await Promise.all([...loops, ...running.values()]);
    },
  };
}

/** As a trace of its own, if it is rare enough to be looked at. */
async function runTraced({ name, everyMs, run }: Schedule): Promise<void> {
  const context = { requestId: `schedule-${name}` };
  if (everyMs < SCHEDULE_TRACED_MS) return await runInContext({ ...context, ...newTrace() }, run);
  const attributes = { 'banyan.schedule': name };
  await enter(`schedule ${name}`, { attributes, parent: undefined }, context, run);
}
