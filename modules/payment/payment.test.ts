import { describe, expect, test } from 'vitest';
import { type PaymentRow, presentPayment, refundRefusal } from './payment.ts';

const row: PaymentRow = {
  id: '01936b5e-0000-7000-8000-000000000001',
  orderId: '01936b5e-0000-7000-8000-000000000002',
  userId: '01936b5e-0000-7000-8000-000000000003',
  provider: 'sandbox',
  amount: 1000,
  currency: 'GBP',
  status: 'captured',
  reason: null,
  refundReserved: 0,
  refunded: 0,
  version: 2,
  createdAt: '2026-11-23T10:00:00.000Z',
};

describe('what clients see of a payment', () => {
  test.each([
    [{ status: 'authorized' }, 'authorized'],
    [{ status: 'failed' }, 'failed'],
    [{ status: 'voided' }, 'voided'],
    [{}, 'captured'],
    [{ refundReserved: 1000 }, 'captured'],
    [{ refundReserved: 1, refunded: 1 }, 'partially_refunded'],
    [{ refundReserved: 999, refunded: 999 }, 'partially_refunded'],
    [{ refundReserved: 1000, refunded: 1000 }, 'refunded'],
  ] as const)('%j is %s', (change, status) => {
    expect(presentPayment({ ...row, ...change })?.status).toBe(status);
  });

  test('is nothing of a charge without an outcome', () => {
    expect(presentPayment({ ...row, status: 'pending' })).toBeUndefined();
  });

  test('is neither whose it is nor how far its refunds are', () => {
    expect(presentPayment(row)).toEqual({
      id: row.id,
      orderId: row.orderId,
      status: 'captured',
      amount: { amount: 1000, currency: 'GBP' },
      refunded: { amount: 0, currency: 'GBP' },
      provider: 'sandbox',
      createdAt: row.createdAt,
    });
  });
});

describe('a refund', () => {
  const asked = { amount: 400, currency: 'GBP' };

  test('of exactly what is left is allowed', () => {
    expect(refundRefusal({ ...row, refundReserved: 600, refunded: 100 }, asked)).toBeUndefined();
  });

  test('of one penny more than is left, counting refunds under way, exceeds the capture', () => {
    expect(refundRefusal({ ...row, refundReserved: 601, refunded: 0 }, asked)).toMatchObject({
      kind: 'conflict',
      code: 'refund_exceeds_capture',
      extra: { left: { amount: 399, currency: 'GBP' } },
    });
  });

  test.each(['authorized', 'failed', 'voided'] as const)(
    'of a payment that is %s is impossible',
    (status) => {
      expect(refundRefusal({ ...row, status }, asked)).toMatchObject({
        kind: 'conflict',
        code: 'invalid_transition',
      });
    },
  );

  test('in another currency is refused', () => {
    expect(refundRefusal(row, { amount: 1, currency: 'EUR' })).toMatchObject({
      kind: 'unprocessable',
      code: 'currency_mismatch',
    });
  });
});
