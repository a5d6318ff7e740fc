import { describe, expect, test } from 'vitest';
import { createBatch, GaveWay } from './batch.ts';
import { currentContext, runInContext } from './context.ts';
import { AppError } from './errors.ts';
import { BATCH_WAITING } from './limits.ts';
import { newTrace } from './telemetry/trace-context.ts';

/** A batch that doubles numbers, and remembers its runs. */
function doubling(options: {
  max?: number;
  weigh?: (item: number) => number;
  lanes?: number;
  eager?: boolean;
  failure?: (items: readonly number[]) => unknown;
}) {
  const runs: number[][] = [];
  const double = createBatch<number, number>({
    max: options.max ?? 100,
    weigh: options.weigh,
    lanes: options.lanes,
    eager: options.eager,
    async run(items) {
      runs.push([...items]);
      await new Promise(setImmediate);
      const failure = options.failure?.(items);
      if (failure !== undefined) throw failure;
      return items.map((item) => 2 * item);
    },
  });
  return { runs, double };
}

describe('a batch', () => {
  test('runs what comes at once together, and gives each its own result', async () => {
    const { runs, double } = doubling({});
    expect(await Promise.all([1, 2, 3].map(double))).toEqual([2, 4, 6]);
    expect(runs).toEqual([[1, 2, 3]]);
  });

  test('gathers what comes during a run, up to its bound', async () => {
    const { runs, double } = doubling({ max: 2 });
    expect(await Promise.all([1, 2, 3, 4, 5].map(double))).toEqual([2, 4, 6, 8, 10]);
    expect(runs).toEqual([[1, 2], [3, 4], [5]]);
  });

  test('bounds a run by what its items weigh, and lets one through that weighs more', async () => {
    const { runs, double } = doubling({ max: 5, weigh: (item) => item });
    await Promise.all([2, 3, 1, 9, 4, 1].map(double));
    expect(runs).toEqual([[2, 3], [1], [9], [4, 1]]);
  });

  test('waits for what comes in the same turn, unless it is eager', async () => {
    const patient = doubling({});
    const eager = doubling({ eager: true });
    const later = (double: (item: number) => Promise<number>) => Promise.resolve().then(() => double(2));
    await Promise.all([patient.double(1), later(patient.double), eager.double(1), later(eager.double)]);
    expect([patient.runs, eager.runs]).toEqual([[[1, 2]], [[1], [2]]]);
  });

  test('tries what gave way alone, beside the lanes, where it holds up nobody', async () => {
    const { promise: lock, resolve: give } = Promise.withResolvers<void>();
    const tries: [number[], boolean][] = [];
    const batch = createBatch<number, number>({
      max: 9,
      async run(items, isAlone) {
        tries.push([[...items], isAlone]);
        if (items.includes(1) && !isAlone) throw new GaveWay();
        if (items.includes(1)) await lock;
        return items.map((item) => 2 * item);
      },
    });
    const waits = batch(1);
    await new Promise(setImmediate);
    expect(await batch(3)).toBe(6);
    give();
    expect(await waits).toBe(2);
    expect(tries).toEqual([
      [[1], false],
      [[1], true],
      [[3], false],
    ]);
  });

  test('goes on after it was idle', async () => {
    const { runs, double } = doubling({});
    expect(await double(1)).toBe(2);
    expect(await double(2)).toBe(4);
    expect(runs).toEqual([[1], [2]]);
  });

  test('tries each alone when a run failed for one of them', async () => {
    const failure = (items: readonly number[]) => (items.includes(2) ? new Error('no twos') : undefined);
    const { runs, double } = doubling({ failure });
    const results = await Promise.allSettled([1, 2, 3].map(double));
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(runs).toEqual([[1, 2, 3], [1], [2], [3]]);
  });

  test('repeats nothing whose outcome is unknown', async () => {
    const { runs, double } = doubling({ failure: () => new AppError('unavailable', 'lost', 'lost') });
    const results = await Promise.allSettled([1, 2].map(double));
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(runs).toEqual([[1, 2]]);
  });

  test('takes a run that forgot a result for a bug', async () => {
    const forgetful = createBatch<number, number>({ max: 9, run: async (items) => items.slice(1) });
    await expect(forgetful(1)).rejects.toThrow('a batch has a result for each item');
  });

  test('runs in the context of its first item', async () => {
    const seen: (string | undefined)[] = [];
    const tell = createBatch<string, undefined>({
      max: 1,
      async run(items) {
        seen.push(currentContext()?.requestId);
        return items.map(() => undefined);
      },
    });
    const from = (requestId: string) => runInContext({ requestId, ...newTrace() }, () => tell(requestId));
    await Promise.all(['a', 'b', 'c'].map(from));
    expect(seen).toEqual(['a', 'b', 'c']);
  });

  test('refuses past its bound', async () => {
    const { double } = doubling({});
    const all = Array.from({ length: BATCH_WAITING + 1 }, (_, index) => double(index));
    const results = await Promise.allSettled(all);
    expect(results.filter(({ status }) => status === 'rejected')).toHaveLength(1);
    expect(results.at(-1)).toMatchObject({ reason: { code: 'overloaded' } });
  });
});
