import { AsyncLocalStorage } from 'node:async_hooks';
import { AppError, invariant, isUnavailable } from './errors.ts';
import { BATCH_WAITING, OVERLOAD_RETRY_SECONDS } from './limits.ts';

/**
 * Does for many callers at once what each of them asked for alone: what comes while a run is under way waits for the
 * next one, so a run grows with the load, and nobody waits when there is none. A commit, a round trip and a hot row's
 * lock then cost many callers what they cost one.
 *
 * `run` gives a result for each item, in their order, and its work is all done or not at all. When it fails and that
 * says what happened, each of its items is tried alone, so that none fails for another's sake; an outcome that is
 * unknown (`unavailable`) is everybody's. It runs in the context of its first item. Fails with `overloaded`
 * (unavailable) past BATCH_WAITING items.
 *
 * A run takes a lane, and all that comes later waits for it. So one that would have to wait for somebody else gives
 * way: it rejects with `GaveWay`, and its items, be it one, are tried alone beside the lanes, where they may wait.
 */
export function createBatch<Item, Result>(options: {
  run: (items: readonly Item[], isAlone: boolean) => Promise<readonly Result[]>;
  /** Items of one run at most; with `weigh`, their weight, save for one that weighs more by itself. */
  max: number;
  /** How much of a run an item is; 1 unless given. */
  weigh?: (item: Item) => number;
  /** Runs at once; 1 unless given. */
  lanes?: number;
  /**
   * A run begins once all that has come over sockets in this turn is read, as one by one it would be for fewer. Where
   * callers come in one go already, an eager one does not wait for that.
   */
  eager?: boolean;
}): (item: Item) => Promise<Result> {
  const { run, max, weigh = () => 1, lanes = 1, eager = false } = options;
  const waiting: Entry<Item, Result>[] = [];
  let running = 0;

  async function runInLane(entries: readonly Entry<Item, Result>[]): Promise<void> {
    try {
      await runEntries(entries, false);
    } catch (error) {
      const isOwn = entries.length === 1 && !(error instanceof GaveWay);
      if (isOwn || isUnavailable(error)) for (const { reject } of entries) reject(error);
      else for (const entry of entries) runEntries([entry], true).catch(entry.reject);
    }
  }

  async function runEntries(entries: readonly Entry<Item, Result>[], isAlone: boolean): Promise<void> {
    const items = entries.map(({ item }) => item);
    const results = await entries[0]!.inContext(() => run(items, isAlone));
    invariant(results.length === entries.length, 'a batch has a result for each item');
    for (const [index, { resolve }] of entries.entries()) resolve(results[index]!);
  }

  function nextRun(): Entry<Item, Result>[] {
    let count = 1;
    let weight = weigh(waiting[0]!.item);
    while (count < waiting.length) {
      weight += weigh(waiting[count]!.item);
      if (weight > max) break;
      count += 1;
    }
    return waiting.splice(0, count);
  }

  async function lane(): Promise<void> {
    while (waiting.length > 0) await runInLane(nextRun());
    running -= 1;
  }

  return (item) => {
    if (waiting.length >= BATCH_WAITING) return Promise.reject(overloaded());
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    waiting.push({ item, resolve, reject, inContext: AsyncLocalStorage.snapshot() });
    if (running < lanes) {
      running += 1;
      if (eager) queueMicrotask(lane);
      else setImmediate(lane);
    }
    return promise;
  };
}

/** A run would have had to wait for others, and did nothing. */
export class GaveWay extends Error {}

interface Entry<Item, Result> {
  readonly item: Item;
  resolve(result: Result): void;
  reject(error: unknown): void;
  readonly inContext: <T>(work: () => T) => T;
}

function overloaded(): AppError {
  return new AppError('unavailable', 'overloaded', 'too much of this is under way', {
    retryAfterSeconds: OVERLOAD_RETRY_SECONDS,
  });
}
