import { describe, expect, it } from 'vitest';
import { moneyFault } from './audit-money.ts';
import type { OrderStatus } from './order.ts';

const orderId = '0192aaaa-0000-7000-8000-000000000001';

function fault(
  status: OrderStatus,
  total: number,
  paid?: { captures: number; captured: number; refunded?: number; currency?: string; pending?: boolean },
) {
  const order = { id: orderId, number: 'B-1', status, currency: 'GBP', total };
  return moneyFault(order, paid && { orderId, refunded: 0, currency: 'GBP', pending: false, ...paid });
}

describe('the money of an order', () => {
  it.each(['paid', 'shipped', 'delivered'] as const)('%s is one capture of the total', (status) => {
    expect(fault(status, 1300, { captures: 1, captured: 1300 })).toBeUndefined();
    expect(fault(status, 1300, { captures: 1, captured: 1300, refunded: 300 })).toBeUndefined();
    expect(fault(status, 1300)).toContain('0 captures');
    expect(fault(status, 1300, { captures: 1, captured: 1299 })).toContain('total of 1300');
    expect(fault(status, 1300, { captures: 2, captured: 2600 })).toContain('2 captures');
  });

  it('of a free order is no capture', () => {
    expect(fault('paid', 0)).toBeUndefined();
    expect(fault('paid', 0, { captures: 1, captured: 0 })).toContain('1 captures');
  });

  it.each(['cancelled', 'rejected', 'pending', 'awaiting_payment'] as const)('%s nets to zero', (status) => {
    expect(fault(status, 1300)).toBeUndefined();
    expect(fault(status, 1300, { captures: 1, captured: 1300, refunded: 1300 })).toBeUndefined();
    expect(fault(status, 1300, { captures: 1, captured: 1300 })).toContain('net to zero');
    expect(fault(status, 1300, { captures: 1, captured: 1300, pending: true })).toBeUndefined();
  });

  it('is in the currency of the order and never refunded past its capture', () => {
    expect(fault('paid', 1300, { captures: 1, captured: 1300, currency: 'EUR' })).toContain('EUR');
    expect(fault('paid', 1300, { captures: 1, captured: 1300, refunded: 1301 })).toContain(
      'more was refunded',
    );
  });
});
