import { withDeadline } from './deadline.ts';
import { PART_STOP_TIMEOUT_MS } from './limits.ts';
import type { Logger } from './telemetry/log.ts';

/** One thing that starts and stops. */
export interface Part {
  readonly name: string;
  start?(): Promise<void> | void;
  /** Finishes what is in progress and lets go of its resources. */
  stop?(): Promise<void> | void;
}

export interface Lifecycle {
  /** Starts the parts in order; when one fails, stops those already started and rejects with its error. */
  start(): Promise<void>;
  /** Stops what was started in reverse order, each within PART_STOP_TIMEOUT_MS; one that fails does not hold the rest. */
  stop(): Promise<void>;
  readonly ready: boolean;
}

export function createLifecycle(parts: readonly Part[], log: Logger): Lifecycle {
  const started: Part[] = [];
  let ready = false;

  async function stop(): Promise<void> {
    ready = false;
    for (let part = started.pop(); part; part = started.pop()) {
      const { name } = part;
      try {
        await withDeadline(Promise.resolve(part.stop?.()), PART_STOP_TIMEOUT_MS, `stop of ${name}`);
      } catch (error) {
        log.error({ err: error, part: name }, 'part did not stop cleanly');
      }
    }
  }

  return {
    async start() {
      for (const part of parts) {
        try {
          await part.start?.();
        } catch (error) {
          await stop();
          throw error;
        }
        started.push(part);
      }
      ready = true;
    },
    stop,
    get ready() {
      return ready;
    },
  };
}
