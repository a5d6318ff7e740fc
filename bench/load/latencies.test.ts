import { expect, test } from 'vitest';
import { createLatencies, percentile } from './latencies.ts';

test('a percentile is the smallest that is not less than that share', () => {
  const hundred = Array.from({ length: 100 }, (_, index) => index + 1);
  expect(percentile(hundred, 0.5)).toBe(50);
  expect(percentile(hundred, 0.99)).toBe(99);
  expect(percentile(hundred, 1)).toBe(100);
  expect(percentile([7], 0.99)).toBe(7);
});

test('latencies are kept past the room that was made for them', () => {
  const latencies = createLatencies(2);
  for (const ms of [5, 3, 1, 4, 2]) latencies.add(ms);
  expect(latencies.count).toBe(5);
  expect(latencies.summary()).toEqual({ p50Ms: 3, p99Ms: 5, highestMs: 5 });
});
