import { sleep } from '../deadline.ts';
import { REPEAT_WAIT_MS } from '../limits.ts';
import type { IdempotencyClaim } from './idempotency.ts';
import { keyInFlight } from './idempotency.ts';

/** The requests with an Idempotency-Key that this process is working on. */
export interface InFlight {
  /**
   * Runs `work` as the only one under its key. While another runs it is refused with
   * `idempotency_key_in_flight` (409), unless that one's client has gone (`signal` aborted) and so will never
   * hear the answer: then the repeat waits for it to end, up to REPEAT_WAIT_MS, and goes on to find its answer.
   */
  run<T>(claim: IdempotencyClaim, signal: AbortSignal, work: () => Promise<T>): Promise<T>;
}

interface Run {
  readonly signal: AbortSignal;
  readonly ended: Promise<void>;
}

export function createInFlight(): InFlight {
  const running = new Map<string, Run>();
  return {
    async run(claim, signal, work) {
      const key = JSON.stringify([claim.userId, claim.route, claim.key]);
      // Again after each wait: of several repeats that waited, one goes on and the others meet it here.
      for (let other = running.get(key); other; other = running.get(key)) {
        if (!other.signal.aborted || !(await hasEnded(other, signal))) throw keyInFlight();
      }
      const ended = Promise.withResolvers<void>();
      running.set(key, { signal, ended: ended.promise });
      try {
        return await work();
      } finally {
        running.delete(key);
        ended.resolve();
      }
    },
  };
}

/** Waits for the run to end; false when the wait took too long or whoever waits has gone as well. */
async function hasEnded(run: Run, signal: AbortSignal): Promise<boolean> {
  const woken = new AbortController();
  const wait = sleep(REPEAT_WAIT_MS, AbortSignal.any([signal, woken.signal])).then(() => false);
  const ended = await Promise.race([run.ended.then(() => true), wait]);
  woken.abort();
  return ended;
}
