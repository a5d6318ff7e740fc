import { expect, test } from 'vitest';
import { figure, inTurn, medianOf, roundsOf } from './in-turn.ts';

test('the median of an even number of values lies between the two in the middle', () => {
  expect(medianOf([9, 1, 5])).toBe(5);
  expect(medianOf([10, 1, 2, 4])).toBe(3);
});

test('sides are measured in turn after a warm-up that does not count', async () => {
  const calls: string[] = [];
  let a = 0;
  const measured = await inTurn(
    {
      a: async () => {
        calls.push('a');
        a += 1;
        return { rate: a };
      },
      b: async () => {
        calls.push('b');
        return { p50Ms: 7 };
      },
    },
    { rounds: 3 },
  );
  expect(calls).toEqual(['a', 'b', 'a', 'b', 'b', 'a', 'a', 'b']);
  expect(measured.a.rate).toEqual({ median: 3, lowest: 2, highest: 4, values: [2, 3, 4] });
  expect(measured.b.p50Ms.median).toBe(7);
});

test('a figure has the ratio of the medians, and none without a limit', () => {
  const ours = roundsOf([10, 30, 20]);
  expect(figure('x', 'ms', ours, roundsOf([40, 80, 50]))).toEqual({
    name: 'x',
    value: 20,
    unit: 'ms',
    spread: [10, 30],
    limit: 50,
    ratio: 0.4,
  });
  expect(figure('x', 'ms', ours)).not.toHaveProperty('ratio');
});
