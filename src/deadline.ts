import { setTimeout as delay } from 'node:timers/promises';
import { AppError } from './errors.ts';

/**
 * Settles as `work` does, or rejects with `timeout` (unavailable: the outcome is unknown) after `timeoutMs`.
 * The work itself goes on: whoever needs it stopped passes a signal of its own.
 */
export function withDeadline<T>(work: Promise<T>, timeoutMs: number, what: string): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const timer = setTimeout(() => {
    reject(new AppError('unavailable', 'timeout', `${what} did not answer within ${timeoutMs} ms`));
  }, timeoutMs);
  work.then(
    (result) => {
      clearTimeout(timer);
      resolve(result);
    },
    (error: unknown) => {
      clearTimeout(timer);
      reject(error);
    },
  );
  return promise;
}

/** Exponential backoff with full jitter: spreads the retries of many callers that failed together. */
export function backoffMs(attempt: number, baseMs: number, maxMs: number): number {
  const ceiling = Math.min(maxMs, baseMs * 2 ** Math.min(attempt, 30));
  return Math.round(ceiling / 2 + Math.random() * (ceiling / 2));
}

/** Sleeps, or returns early and quietly when `signal` aborts. */
export async function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal, ref: true }).catch((error: unknown) => {
    if (!signal?.aborted) throw error;
  });
}
