import { expect, it } from 'vitest';
import { createLatest } from './latest.ts';

it('reads once for many scrapes', async () => {
  let reads = 0;
  const latest = createLatest(async () => ++reads);
  expect(await Promise.all([latest(), latest(), latest()])).toEqual([1, 1, 1]);
  expect(await latest()).toBe(1);
});

it('reads anew once what it has is old', async () => {
  let reads = 0;
  const latest = createLatest(async () => ++reads, { everyMs: 0 });
  expect([await latest(), await latest()]).toEqual([1, 2]);
});

it('gives nothing rather than what it knew, when a read fails', async () => {
  const answers = [async () => 'known', () => Promise.reject(new Error('away')), async () => 'again'];
  const latest = createLatest(() => answers.shift()!(), { everyMs: 0 });
  expect([await latest(), await latest(), await latest()]).toEqual(['known', undefined, 'again']);
});

it('waits no longer than a scrape may, and starts no second read beside one that is slow', async () => {
  let reads = 0;
  const slow = Promise.withResolvers<string>();
  const latest = createLatest(
    () => {
      reads += 1;
      return slow.promise;
    },
    { everyMs: 0, timeoutMs: 1 },
  );
  expect([await latest(), await latest()]).toEqual([undefined, undefined]);
  slow.resolve('late');
  expect(await latest()).toBe('late');
  expect(reads).toBe(1);
});

it('gives what a slow read found to whoever asks next, and nothing that is older than that', async () => {
  const never = new Promise<string>(() => undefined);
  const slow = Promise.withResolvers<string>();
  const answers = [slow.promise, never];
  const options = { everyMs: 0, timeoutMs: 1 };
  const latest = createLatest(() => answers.shift()!, options);
  expect(await latest()).toBeUndefined();
  slow.resolve('late');
  await slow.promise;
  expect(await latest()).toBe('late');

  const forgetful = createLatest(async () => 'old', { ...options, everyMs: 60_000, keepMs: -1 });
  expect(await forgetful()).toBeUndefined();
});
