import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { allotStock } from './allot-stock.ts';
import type { Shelf } from './stock-store.ts';

function shelf(sku: string, available: number): Shelf {
  return { sku, variantId: `variant of ${sku}`, productId: `product of ${sku}`, available };
}

function line(sku: string, quantity: number) {
  return { sku, quantity };
}

describe('stock', () => {
  it('goes to who comes first, and who comes later sees what is left', () => {
    const orders = [[line('a', 3)], [line('a', 2), line('b', 1)], [line('a', 1)]];
    const [first, second, third] = allotStock(orders, [shelf('a', 4), shelf('b', 1)]);
    expect(first?.lines).toEqual([
      { variantId: 'variant of a', productId: 'product of a', quantity: 3, left: 1 },
    ]);
    expect(second?.refusal).toMatchObject({
      code: 'insufficient_stock',
      extra: { items: [{ sku: 'a', requested: 2, available: 1 }] },
    });
    expect(third?.lines).toMatchObject([{ quantity: 1, left: 0 }]);
  });

  it('is asked for by the sum of the lines of one sku', () => {
    const [allotment] = allotStock([[line('a', 2), line('a', 2)]], [shelf('a', 3)]);
    expect(allotment?.refusal?.extra.items).toEqual([{ sku: 'a', requested: 4, available: 3 }]);
  });

  it('is not looked at for an order with a sku that nobody knows', () => {
    const [allotment] = allotStock([[line('a', 9), line('x', 1), line('x', 1)]], [shelf('a', 3)]);
    expect(allotment?.refusal).toMatchObject({ code: 'unknown_sku', extra: { skus: ['x'] } });
  });

  it('is never given twice, nor held back from an order that it would do for', () => {
    const skus = fc.constantFrom('a', 'b', 'c');
    const orders = fc.array(
      fc.array(fc.record({ sku: skus, quantity: fc.integer({ min: 1, max: 4 }) }), {
        minLength: 1,
        maxLength: 4,
      }),
    );
    fc.assert(
      fc.property(orders, fc.array(fc.nat(12), { minLength: 3, maxLength: 3 }), (wanted, counts) => {
        const left = { a: counts[0]!, b: counts[1]!, c: counts[2]! };
        const shelves = Object.entries(left).map(([sku, available]) => shelf(sku, available));
        for (const [index, allotment] of allotStock(wanted, shelves).entries()) {
          const after = { ...left };
          for (const { sku, quantity } of wanted[index]!) after[sku] -= quantity;
          const suffices = Object.values(after).every((pieces) => pieces >= 0);
          expect(allotment.refusal?.code).toBe(suffices ? undefined : 'insufficient_stock');
          if (suffices) Object.assign(left, after);
          for (const { variantId, left: told } of allotment.lines ?? []) {
            expect(told).toBe(left[variantId.at(-1) as keyof typeof left]);
          }
        }
      }),
    );
  });
});
