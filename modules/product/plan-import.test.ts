import { expect, it } from 'vitest';
import type { CatalogueEntry } from './catalogue-row.ts';
import type { KnownSku } from './import-store.ts';
import { planImport, sortRows } from './plan-import.ts';

const entry: CatalogueEntry = { sku: 'A1', name: 'Mug', amount: 250, currency: 'GBP', onHand: 7 };

const known: KnownSku = {
  id: 'product-1',
  slug: 'mug',
  name: 'Mug',
  description: 'For tea',
  category: 'kitchen',
  status: 'active',
  version: 3,
  sku: 'A1',
  variantId: 'variant-1',
  variants: 1,
};

function newIds(): () => string {
  let next = 0;
  return () => `id-${++next}`;
}

it('keeps the first row of a sku and reports the others by line', () => {
  const rows = [
    { line: 2, content: entry, error: null, earlierLine: null },
    { line: 3, content: null, error: 'is not valid UTF-8', earlierLine: null },
    { line: 4, content: { ...entry, amount: 1 }, error: null, earlierLine: 2 },
  ];
  expect(sortRows(rows)).toEqual({
    entries: [entry],
    errors: [
      { line: 3, message: 'is not valid UTF-8' },
      { line: 4, message: 'sku A1 stands on line 2 already' },
    ],
  });
});

it('makes a product with one variant of a new sku', () => {
  const { added, changed, prices } = planImport([entry], [], newIds());
  expect(added).toMatchObject([
    { name: 'Mug', category: null, description: '', variants: [{ sku: 'A1', onHand: 7 }] },
  ]);
  expect(changed.size).toBe(0);
  expect(prices).toEqual([]);
});

it('changes nothing of a product that is as the file says, whatever its stock', () => {
  const { added, changed, prices } = planImport([{ ...entry, onHand: 999 }], [known], newIds());
  expect(added).toEqual([]);
  expect(changed.size).toBe(0);
  expect(prices).toMatchObject([{ variantId: 'variant-1', amount: 250, currency: 'GBP' }]);
});

it('changes name, category and description where the file has them and they differ', () => {
  const wanted = { ...entry, name: 'Big mug', category: null };
  const { changed } = planImport([wanted], [known], newIds());
  expect([...changed.values()]).toMatchObject([
    { id: 'product-1', name: 'Big mug', category: null, description: 'For tea', slug: 'mug' },
  ]);
});

it('leaves the name of a product with several variants alone', () => {
  const { changed, prices } = planImport(
    [{ ...entry, name: 'Big mug' }],
    [{ ...known, variants: 2 }],
    newIds(),
  );
  expect(changed.size).toBe(0);
  expect(prices).toHaveLength(1);
});
