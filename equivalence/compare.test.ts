import { expect, it } from 'vitest';
import { firstDifference } from './compare.ts';

const monolith = { name: 'monolith', lines: ['', '# orders', 'GET /orders', '< 200', '[]'] };

it('finds nothing where there is no difference', () => {
  expect(firstDifference(monolith, { name: 'split', lines: [...monolith.lines] })).toBeUndefined();
});

it('shows the first difference with its part, its request and both sides', () => {
  const split = { name: 'split', lines: ['', '# orders', 'GET /orders', '< 503', '{}'] };
  expect(firstDifference(monolith, split)?.split('\n')).toEqual([
    'split differs from monolith at line 4, in "orders":',
    '  GET /orders',
    '--- monolith',
    '- < 200',
    '- []',
    '+++ split',
    '+ < 503',
    '+ {}',
  ]);
});

it('finds what one of them has more of', () => {
  const longer = { name: 'split', lines: [...monolith.lines, 'more'] };
  expect(firstDifference(monolith, longer)).toContain('+ more');
  expect(firstDifference(longer, monolith)).toContain('- more');
});
