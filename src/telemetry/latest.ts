import { withDeadline } from '../deadline.ts';
import { METRICS_READ_EVERY_MS, METRICS_READ_KEEP_MS, METRICS_READ_TIMEOUT_MS } from '../limits.ts';

/**
 * Reads something for scrapes, at most every `everyMs` however often it is asked for, and never twice at once. Who asks
 * waits for `timeoutMs` at most: a read that takes longer is for whoever asks next, within `keepMs` of its end. Gives
 * undefined rather than something older, and when the last read failed.
 */
export function createLatest<T>(
  read: () => Promise<T>,
  {
    everyMs = METRICS_READ_EVERY_MS,
    timeoutMs = METRICS_READ_TIMEOUT_MS,
    keepMs = METRICS_READ_KEEP_MS,
  } = {},
): () => Promise<T | undefined> {
  let startedAt = Number.NEGATIVE_INFINITY;
  let reading: Promise<void> | undefined;
  let known: { readonly value: T; readonly at: number } | undefined;

  async function start(): Promise<void> {
    startedAt = performance.now();
    try {
      known = { value: await read(), at: performance.now() };
    } catch {
      known = undefined;
    }
    reading = undefined;
  }

  return async () => {
    if (reading === undefined && performance.now() - startedAt >= everyMs) reading = start();
    if (reading) await withDeadline(reading, timeoutMs, 'a read for metrics').catch(() => undefined);
    return known && performance.now() - known.at <= keepMs ? known.value : undefined;
  };
}
