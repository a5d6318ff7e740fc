import { expect, it } from 'vitest';
import { SLUG_LENGTH } from './limits.ts';
import { assignSlugs, SLUG_PATTERN, slugCandidates, slugify } from './slug.ts';

const id = '01890000-0000-7000-8000-000000000001';

it('makes lower-case words of ASCII from any text', () => {
  expect(slugify('  Café “Crème” 3/4 L ')).toBe('cafe-creme-3-4-l');
  expect(slugify('茶 £')).toBe('');
});

it('offers the name first, then the name with the sku, then the name with the id', () => {
  expect(slugCandidates({ id, name: 'Red mug', sku: '85123A' })).toEqual([
    'red-mug',
    'red-mug-85123a',
    `red-mug-${id}`,
  ]);
});

it('finds a slug for a name and a sku without any letter', () => {
  expect(slugCandidates({ id, name: '茶', sku: '£' })).toEqual(['product', `product-${id}`]);
});

it('offers only slugs that a client could have chosen, however long the name', () => {
  for (const name of ['x'.repeat(255), `${'ab '.repeat(85)}`, `${'a'.repeat(94)}-b`]) {
    for (const slug of slugCandidates({ id, name, sku: 'Y'.repeat(64) })) {
      expect(slug.length).toBeLessThanOrEqual(SLUG_LENGTH);
      expect(slug).toMatch(SLUG_PATTERN);
    }
  }
});

it('gives each product its best slug that is neither stored nor given away in the same batch', () => {
  const products = [
    { id: 'a', candidates: ['mug', 'mug-1', 'mug-a'] },
    { id: 'b', candidates: ['mug', 'mug-1', 'mug-b'] },
    { id: 'c', candidates: ['cup', 'cup-1', 'cup-c'] },
  ];
  expect([...assignSlugs(products, new Set(['mug']))]).toEqual([
    ['a', 'mug-1'],
    ['b', 'mug-b'],
    ['c', 'cup'],
  ]);
});
