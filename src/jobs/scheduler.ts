import { runInContext } from '../context.ts';
import { sleep } from '../deadline.ts';
import type { Logger } from '../telemetry/log.ts';
import { newTrace } from '../telemetry/trace-context.ts';
import type { Schedule } from './jobs.ts';

export interface Scheduler {
  start(): void;
  /** Resolves when the runs in progress have ended. */
  stop(): Promise<void>;
}

/**
 * Runs each schedule again and again, never twice at once in this process. What is due is decided by rows in the
 * database, so several processes may run the same schedules and a missed run is only late.
 */
export function createScheduler(schedules: readonly Schedule[], log: Logger): Scheduler {
  const stopping = new AbortController();
  let loops: Promise<void>[] = [];

  async function loop(schedule: Schedule): Promise<void> {
    while (!stopping.signal.aborted) {
      await runInContext({ requestId: `schedule-${schedule.name}`, ...newTrace() }, schedule.run).catch(
        (error: unknown) => log.error({ err: error, schedule: schedule.name }, 'schedule failed'),
      );
      await sleep(schedule.everyMs, stopping.signal);
    }
  }

  return {
    start() {
      loops = schedules.map(loop);
    },
    async stop() {
      stopping.abort();
      await Promise.all(loops);
    },
  };
}
