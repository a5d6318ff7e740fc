import { uuidv7 } from 'uuidv7';
import { beforeAll, expect, it } from 'vitest';
import { describeContract } from '#platform/testing/contract-runners';
import { orderContract } from './contract.ts';

const total = { amount: 1500, currency: 'GBP' };

describeContract(orderContract, (run) => {
  let order: { id: string; number: string; userId: string };
  let token: string;

  beforeAll(async () => {
    const { shop } = run();
    const staff = await shop.signUp('staff');
    const variants = [{ sku: 'MUG', prices: [{ amount: 750, currency: 'GBP' }], onHand: 10 }];
    await shop.request('POST', '/products', { token: staff.token, body: { name: 'Mug', variants } });
    ({ token } = await shop.signUp());
    const placed = await shop.request('POST', '/orders', {
      token,
      headers: { 'idempotency-key': 'the only order' },
      body: {
        items: [{ sku: 'MUG', quantity: 2 }],
        currency: 'GBP',
        payment: { method: 'card', token: 'tok_ok' },
      },
    });
    expect([placed.status, placed.body.status]).toEqual([201, 'paid']);
    order = placed.body;
  });

  it('receipts: shows what was bought, and leaves out orders that are not there', async () => {
    const { receipts } = await run().api.receipts({ orderIds: [uuidv7(), order.id] });
    expect(receipts).toEqual([
      {
        orderId: order.id,
        number: order.number,
        userId: order.userId,
        items: [
          {
            sku: 'MUG',
            name: 'Mug',
            quantity: 2,
            unitPrice: { amount: 750, currency: 'GBP' },
            lineTotal: total,
          },
        ],
        total,
      },
    ]);
  });

  it('rebuild: writes each order anew as it was, and ends', async () => {
    const { api, shop } = run();
    const show = async () => (await shop.request('GET', `/orders/${order.id}`, { token })).body;
    const before = await show();
    expect(await api.rebuild({ after: null })).toEqual({ count: 1, last: order.id });
    expect(await api.rebuild({ after: order.id })).toEqual({ count: 0, last: null });
    expect(await show()).toEqual(before);
  });
});
