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

it('waits no longer than a scrape may, and starts no second read beside one that hangs', async () => {
  let reads = 0;
  const hanging = Promise.withResolvers<string>();
  const latest = createLatest(
    () => {
      reads += 1;
      return hanging.promise;
    },
    { everyMs: 0, timeoutMs: 1 },
  );
  expect([await latest(), await latest()]).toEqual([undefined, undefined]);
  hanging.resolve('late');
  expect(await latest()).toBe('late');
  expect(reads).toBe(1);
});
