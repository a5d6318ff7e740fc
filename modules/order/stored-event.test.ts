import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startShop, type TestShop } from '#platform/testing/shop';
import { orderContract } from './contract.ts';
import { createFakeNeeds } from './fake-needs.ts';
import { orderModule } from './module.ts';
import { fold, type OrderEvent } from './order.ts';
import { readStored, type Upcasts } from './stored-event.ts';

describe('an event of the log', () => {
  const created: OrderEvent = {
    type: 'order.created',
    data: {
      number: 'B-1',
      userId: 'user-1',
      currency: 'GBP',
      items: [],
      total: { amount: 5, currency: 'GBP' },
    },
  };
  /** As if payment had been told of once without its id, and under another name. */
  const upcasts: Upcasts = {
    'order.settled': () => ({ type: 'order.paid', data: { paymentId: null } }),
    'order.shipped': ({ code, carrier = null }) => ({
      type: 'order.shipped',
      data: { trackingNumber: code, carrier },
    }),
  };

  it('that was stored in an older form is read in the newest, and folds into a state', () => {
    const log = [
      created,
      { type: 'order.settled', data: {} },
      { type: 'order.shipped', data: { code: 'T-1' } },
    ];
    const events = log.map((row, index) => readStored({ ...row, version: index + 1 }, upcasts));
    expect(events.at(-1)).toEqual({
      type: 'order.shipped',
      data: { trackingNumber: 'T-1', carrier: null },
      version: 3,
    });
    expect(fold(events)).toMatchObject({ status: 'shipped', trackingNumber: 'T-1', version: 3 });
  });

  it('is read as it is in the newest form', () => {
    expect(readStored(created)).toBe(created);
  });

  it.each(['order.gift_wrapped', 'toString'])('of an unknown type is left to a newer release: %s', (type) => {
    expect(() => readStored({ type, data: {} })).toThrow(
      expect.objectContaining({ kind: 'unavailable', code: 'order_event_unknown' }),
    );
  });
});

describe('an order with an event of a newer release', () => {
  const needs = createFakeNeeds();
  let shop: TestShop;
  beforeAll(async () => {
    needs.stock.set('MUG', 10);
    const fakes = { product: needs.product, payment: needs.payment, user: needs.user };
    shop = await startShop({ modules: [orderModule], fakes });
  });
  afterAll(() => shop.stop());

  it('is not decided on, told of or rebuilt as if that event were not there', async () => {
    const { token } = await shop.signUp();
    const placed = await shop.request('POST', '/orders', {
      token,
      body: { items: [{ sku: 'MUG', quantity: 1 }], currency: 'GBP' },
      headers: { 'idempotency-key': 'wrapped' },
    });
    const path = `/orders/${placed.body.id}`;
    const database = shop.database('order');
    await database.rows(sql`
      insert into orders.event (stream, version, type, data)
      select stream, max(version) + 1, 'order.gift_wrapped', '{}' from orders.event group by stream`);
    const cancelled = await shop.request('POST', `${path}/cancel`, { token, body: { reason: 'no' } });
    expect(cancelled).toMatchObject({ status: 503, body: { code: 'order_event_unknown' } });
    expect(await shop.request('GET', `${path}/events`, { token })).toMatchObject({ status: 503 });
    const rebuilt = shop.api(orderContract).rebuild({ after: null });
    await expect(rebuilt).rejects.toMatchObject({ code: 'order_event_unknown' });
    expect((await shop.request('GET', path, { token })).body.status).toBe('awaiting_payment');
  });
});
