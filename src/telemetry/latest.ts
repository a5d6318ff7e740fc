import { withDeadline } from '../deadline.ts';
import { METRICS_READ_EVERY_MS, METRICS_READ_TIMEOUT_MS } from '../limits.ts';

/**
 * Reads something for scrapes, at most every `everyMs` however often it is asked for, and never twice at once. Gives
 * undefined rather than something old: when the last read failed, or is not done within `timeoutMs`.
 */
export function createLatest<T>(
  read: () => Promise<T>,
  { everyMs = METRICS_READ_EVERY_MS, timeoutMs = METRICS_READ_TIMEOUT_MS } = {},
): () => Promise<T | undefined> {
  let startedAt = Number.NEGATIVE_INFINITY;
  let isReading = false;
  let latest: Promise<T | undefined> = Promise.resolve(undefined);

  function start(): Promise<T | undefined> {
    startedAt = performance.now();
    isReading = true;
    return read()
      .catch(() => undefined)
      .finally(() => {
        isReading = false;
      });
  }

  return async () => {
    if (!isReading && performance.now() - startedAt >= everyMs) latest = start();
    return await withDeadline(latest, timeoutMs, 'a read for metrics').catch(() => undefined);
  };
}
