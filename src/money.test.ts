import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { moneySchema, multiply, sum } from './money.ts';

const amount = fc.integer({ min: 0, max: 10_000_000 });
const quantity = fc.integer({ min: 1, max: 1_000_000 });

describe('money', () => {
  it('adds and multiplies like whole numbers, whatever the lines', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(amount, quantity), { maxLength: 50 }), (lines) => {
        const expected = lines.reduce((total, [unit, count]) => total + BigInt(unit) * BigInt(count), 0n);
        const totals = lines.map(([unit, count]) => multiply({ amount: unit, currency: 'GBP' }, count));
        const total = sum(totals, 'GBP');
        expect(BigInt(total.amount)).toBe(expected);
      }),
    );
  });

  it('has the same sum in any order', () => {
    fc.assert(
      fc.property(fc.array(amount, { maxLength: 30 }), (amounts) => {
        const parts = amounts.map((value) => ({ amount: value, currency: 'EUR' }));
        expect(sum(parts, 'EUR')).toEqual(sum([...parts].reverse(), 'EUR'));
      }),
    );
  });

  it('is exact or refused, never rounded, near the largest number', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }), quantity, (unit, count) => {
        const exact = BigInt(unit) * BigInt(count);
        const product = () => multiply({ amount: unit, currency: 'GBP' }, count);
        if (exact <= BigInt(Number.MAX_SAFE_INTEGER)) expect(BigInt(product().amount)).toBe(exact);
        else expect(product).toThrow(expect.objectContaining({ code: 'amount_out_of_range' }));
      }),
    );
  });

  it('never mixes currencies', () => {
    expect(() => sum([{ amount: 1, currency: 'EUR' }], 'GBP')).toThrow('currencies never mix');
  });

  it.each([
    { amount: 1.5, currency: 'GBP' },
    { amount: -1, currency: 'GBP' },
    { amount: 2 ** 53, currency: 'GBP' },
    { amount: Number.NaN, currency: 'GBP' },
    { amount: Number.POSITIVE_INFINITY, currency: 'GBP' },
    { amount: '1', currency: 'GBP' },
    { amount: 1, currency: 'gbp' },
    { amount: 1, currency: 'XQQ' },
    { amount: 1, currency: 'GBP', rounding: 'up' },
  ])('refuses %j', (value) => {
    expect(moneySchema.safeParse(value).success).toBe(false);
  });
});
