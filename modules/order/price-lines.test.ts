import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_QUANTITY } from '#modules/product/contract';
import { addUpLines, priceLines } from './price-lines.ts';

describe('lines of an order', () => {
  it('add up where their skus are equal, which tells case apart', () => {
    const lines = [
      { sku: 'a', quantity: 1 },
      { sku: 'A', quantity: 2 },
      { sku: 'a', quantity: 3 },
    ];
    expect(addUpLines(lines)).toEqual([
      { sku: 'a', quantity: 4 },
      { sku: 'A', quantity: 2 },
    ]);
  });

  it('are refused, naming the line, when they add up past what one line may hold', () => {
    const lines = [
      { sku: 'a', quantity: MAX_QUANTITY },
      { sku: 'a', quantity: 1 },
    ];
    expect(() => addUpLines(lines)).toThrow(
      expect.objectContaining({
        code: 'invalid_request',
        extra: { errors: [expect.objectContaining({ path: 'items.1.quantity' })] },
      }),
    );
    expect(addUpLines(lines.slice(0, 1))).toEqual(lines.slice(0, 1));
  });

  it('take no sku that is named like a member of every object for a line already seen', () => {
    expect(addUpLines([{ sku: '__proto__', quantity: 1 }])).toEqual([{ sku: '__proto__', quantity: 1 }]);
  });

  it('come to the sum of unit price times quantity, exactly', () => {
    const line = fc.record({ quantity: fc.integer({ min: 1, max: 1_000 }), amount: fc.nat(1_000_000) });
    fc.assert(
      fc.property(fc.array(line, { minLength: 1, maxLength: 50 }), (drawn) => {
        const lines = drawn.map(({ quantity }, index) => ({ sku: `s${index}`, quantity }));
        const quoted = drawn.map(({ amount }) => ({ name: 'n', unitPrice: { amount, currency: 'GBP' } }));
        const { items, total } = priceLines(lines, quoted, 'GBP');
        const expected = drawn.reduce(
          (all, { quantity, amount }) => all + BigInt(quantity) * BigInt(amount),
          0n,
        );
        expect(BigInt(total.amount)).toBe(expected);
        expect(items.map((item) => item.lineTotal.amount)).toEqual(
          drawn.map(({ quantity, amount }) => quantity * amount),
        );
      }),
    );
  });

  it('are refused when they come to more than can be counted exactly', () => {
    const unitPrice = { amount: Number.MAX_SAFE_INTEGER, currency: 'GBP' };
    expect(() => priceLines([{ sku: 'a', quantity: 2 }], [{ name: 'n', unitPrice }], 'GBP')).toThrow(
      expect.objectContaining({ code: 'amount_out_of_range' }),
    );
  });
});
