import { expect, test } from 'vitest';
import { formatFigures, formatNumber } from './report.ts';

test('numbers keep three digits, and all of those before the point', () => {
  expect([12_345.6, 123.4, 12.34, 0.012345, 0].map(formatNumber)).toEqual([
    '12,346',
    '123',
    '12.3',
    '0.0123',
    '0',
  ]);
});

test('the table tells what was met, what was missed, and what could not be judged', () => {
  const figure = { value: 1_000, unit: '/s' };
  const table = formatFigures([
    { ...figure, name: 'a', spread: [900, 1_100], limit: 2_000, ratio: 0.5, target: '≥ 1', met: true },
    { ...figure, name: 'b', target: '≥ 2', met: false },
    { ...figure, name: 'c', target: '≥ 3', note: 'no limit' },
    { ...figure, name: 'd' },
  ]);
  const cells = table.split('\n').map((line) => line.split(/ {2,}/));
  expect(cells[1]).toEqual(['a', '1,000', '/s', '900 to 1,100', '2,000', '0.5', '≥ 1', 'yes']);
  expect(cells[2]).toEqual(['b', '1,000', '/s', '≥ 2', 'NO']);
  expect(cells[3]).toEqual(['c', '1,000', '/s', '≥ 3', '?', 'no limit']);
  expect(cells[4]).toEqual(['d', '1,000', '/s']);
});
