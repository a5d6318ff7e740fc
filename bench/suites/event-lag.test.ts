import { expect, test } from 'vitest';
import { drainRate, lagsOf } from './event-lag.ts';

const event = (committedMs: number, handledMs: number) => ({ consumer: 'orders', committedMs, handledMs });

test('lags are sorted, and none is negative', () => {
  expect(lagsOf([event(0, 9), event(5, 7), event(8, 7.9)])).toEqual([0, 2, 9]);
});

test('a backlog drains from its first event to its last, whatever their order', () => {
  const events = [event(0, 3_000), event(0, 1_000), event(0, 2_000)];
  expect(drainRate(events)).toBe(1);
});
