import { expect, test } from 'vitest';
import { judge, missesMust, type Target, targets } from './targets.ts';

const table: Record<string, Target[]> = {
  rate: [
    { of: 'ratio', compare: 'at least', bound: 0.5, must: true },
    { of: 'value', compare: 'at least', bound: 1_500, must: false },
  ],
  lag: [{ of: 'value', compare: 'at most', bound: 10, must: false }],
};
const rate = { name: 'rate', unit: '/s', limit: 4_000 };

test('a figure is met when all of its targets are', () => {
  expect(judge({ ...rate, value: 2_000, ratio: 0.5 }, table)).toMatchObject({
    target: 'ratio ≥ 0.5 !, ≥ 1,500',
    met: true,
  });
  expect(judge({ ...rate, value: 1_400, ratio: 0.5 }, table).met).toBe(false);
  expect(judge({ name: 'lag', unit: 'ms', value: 11 }, table).met).toBe(false);
});

test('a ratio that could not be measured meets nothing and misses nothing', () => {
  const judged = judge({ name: 'rate', unit: '/s', value: 2_000 }, table);
  expect(judged).toHaveProperty('target');
  expect(judged).not.toHaveProperty('met');
  expect(missesMust(judged, table)).toBe(false);
});

test('a figure of which nothing was promised stays as it is', () => {
  const figure = { name: 'other', unit: 'ms', value: 1 };
  expect(judge(figure, table)).toBe(figure);
});

test('only a target that must be met is missed badly', () => {
  const missed = (figure: Parameters<typeof judge>[0]) => missesMust(judge(figure, table), table);
  expect(missed({ ...rate, value: 1_400, ratio: 0.6 })).toBe(false);
  expect(missed({ ...rate, value: 1_600, ratio: 0.4 })).toBe(true);
  expect(missed({ name: 'lag', unit: 'ms', value: 11 })).toBe(false);
});

test('an order of 32 clients has to reach three tenths of its limit', () => {
  const figure = { name: 'order.c32', unit: 'orders/s', value: 300, limit: 1_000 };
  expect(judge({ ...figure, ratio: 0.29 }, targets).met).toBe(false);
  expect(judge({ ...figure, ratio: 0.3 }, targets).met).toBe(true);
});
