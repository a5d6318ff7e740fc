import { expect, test } from 'vitest';
import { memoryTrend } from './memory-trend.ts';

const samples = (residentMb: (orders: number) => number) =>
  Array.from({ length: 21 }, (_, index) => ({
    orders: index * 1_000,
    residentMb: residentMb(index * 1_000),
  }));

test('a leak shows as what it is, whatever the level', () => {
  expect(memoryTrend(samples((orders) => 150 + orders / 1_000)).growthMb).toBeCloseTo(10);
});

test('noise around a level is no growth', () => {
  const { growthMb } = memoryTrend(samples((orders) => 150 + ((orders / 1_000) % 2) * 20));
  expect(Math.abs(growthMb)).toBeLessThan(5);
});

test('the warm-up counts neither as the highest nor as growth', () => {
  const trend = memoryTrend(samples((orders) => (orders < 2_000 ? 400 : 150)));
  expect(trend.highestMb).toBe(150);
  expect(trend.growthMb).toBeCloseTo(0);
});
