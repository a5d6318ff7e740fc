import { expect, test } from 'vitest';
import { readPromql } from './promql.ts';

test('metrics are found with matchers and without, and no function, keyword or number is one', () => {
  const expression = `
    sum without (state) (pool{state="busy", module=~"a|b"}) >= 0.9 * pool_max
    and on (module) slo:bad:rate5m > bool 14.4 * 1e3 unless absent(up[5m] offset 1h)`;
  expect(readPromql(expression)).toEqual({
    metrics: ['pool', 'pool_max', 'slo:bad:rate5m', 'up'],
    labels: ['state', 'module'],
  });
});

test('what stands in strings is nothing that is asked for, but a label that is added', () => {
  const expression =
    'sum by (module, route) (label_replace(x{route!="{id}, y"}, "module", "order", "route", ".*"))';
  expect(readPromql(expression)).toEqual({ metrics: ['x'], labels: [] });
  expect(readPromql('x{route="{id} or y"}')).toEqual({ metrics: ['x'], labels: ['route'] });
});
