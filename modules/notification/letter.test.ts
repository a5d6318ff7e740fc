import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatMoney } from './format-money.ts';
import { type Receipt, writeLetter } from './letter.ts';
import { MAIL_LINES } from './limits.ts';

const gbp = (amount: number) => ({ amount, currency: 'GBP' });

const receipt: Receipt = {
  number: '2026-000042',
  items: [
    { sku: '85123A', name: 'White hanging heart <small>', quantity: 6, lineTotal: gbp(1530) },
    { sku: '71053', name: 'White metal lantern', quantity: 1, lineTotal: gbp(339) },
  ],
  total: gbp(1869),
};

const paid = { kind: 'order_paid', data: { orderId: '01900000-0000-7000-8000-000000000001' } } as const;

describe('the confirmation of an order', () => {
  it('lists what was bought and the total', () => {
    expect(writeLetter(paid, receipt)).toMatchObject({
      subject: 'Order 2026-000042 is confirmed',
      text: [
        'Thank you for your order 2026-000042. Your payment has arrived.',
        '',
        '  6 × White hanging heart <small> (85123A): £15.30',
        '  1 × White metal lantern (71053): £3.39',
        '  Total: £18.69',
        '',
        'We write again when it is on its way.',
        '',
      ].join('\n'),
    });
  });

  it('says the same in HTML, with everything escaped', () => {
    const { html } = writeLetter(paid, receipt);
    expect(html).toContain(
      '<td>6 × White hanging heart &lt;small&gt; (85123A)</td><td align="right">£15.30</td>',
    );
    expect(html).not.toContain('<small>');
  });

  it('of a very long order is cut, and says so', () => {
    const [item] = receipt.items;
    const items = Array.from({ length: MAIL_LINES + 3 }, () => ({ ...(item as (typeof receipt.items)[0]) }));
    const { text } = writeLetter(paid, { ...receipt, items } as Receipt);
    expect(text.match(/hanging heart/g)).toHaveLength(MAIL_LINES);
    expect(text).toContain('and 3 more lines');
    expect(text).toContain('Total: £18.69');
  });
});

describe('the other letters', () => {
  it('tell how to follow a parcel', () => {
    const data = { number: '7', trackingNumber: 'RM123', carrier: 'Royal Mail' };
    const { subject, text } = writeLetter({ kind: 'order_shipped', data }, undefined);
    expect(subject).toBe('Order 7 is on its way');
    expect(text).toContain('has left our house with Royal Mail.');
    expect(text).toContain('Its tracking number is RM123.');
    const without = writeLetter({ kind: 'order_shipped', data: { ...data, carrier: null } }, undefined);
    expect(without.text).toContain('has left our house.');
  });

  it('tell how much was given back', () => {
    const data = { number: '7', amount: { amount: 120050, currency: 'EUR' } };
    const { subject, text } = writeLetter({ kind: 'order_refunded', data }, undefined);
    expect(subject).toBe('Refund for order 7');
    expect(text).toContain('we have given back €1,200.50.');
  });

  it('warn of a changed password', () => {
    const { subject, text } = writeLetter({ kind: 'password_changed', data: {} }, undefined);
    expect(subject).toBe('Your password was changed');
    expect(text).toContain('tell us at once');
  });
});

describe('an amount of money', () => {
  it.each([
    [0, 'GBP', '£0.00'],
    [5, 'GBP', '£0.05'],
    [129900, 'USD', '$1,299.00'],
    [1299, 'JPY', '¥1,299'],
    [1299, 'KWD', 'KWD 1.299'],
    [Number.MAX_SAFE_INTEGER, 'EUR', '€90,071,992,547,409.91'],
  ])('%d %s reads %s', (amount, currency, text) => {
    expect(formatMoney({ amount, currency }).replace('\u00a0', ' ')).toBe(text);
  });

  it('has just the digits of its minor units, whatever the amount', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.constantFrom('GBP', 'JPY', 'KWD'), (amount, currency) => {
        const digits = formatMoney({ amount, currency }).replaceAll(/\D/g, '');
        expect(Number(digits)).toBe(amount);
      }),
    );
  });
});
