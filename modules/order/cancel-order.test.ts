import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { startShop, type TestShop } from '#platform/testing/shop';
import { createFakeNeeds } from './fake-needs.ts';
import { orderModule } from './module.ts';

const needs = createFakeNeeds();
let shop: TestShop;
let customer: { userId: string; token: string };
let staff: { userId: string; token: string };
let keys = 0;

beforeAll(async () => {
  const fakes = { product: needs.product, payment: needs.payment, user: needs.user };
  shop = await startShop({ modules: [orderModule], fakes });
  customer = await shop.signUp();
  staff = await shop.signUp('staff');
});

afterAll(() => shop.stop());

beforeEach(() => {
  needs.interrupt = () => {};
  needs.stock.set('MUG', 100);
});

const newKey = () => `key-${++keys}`;

function place(card?: string, headers: Record<string, string> = {}) {
  return shop.request('POST', '/orders', {
    token: customer.token,
    body: {
      items: [{ sku: 'MUG', quantity: 2 }],
      currency: 'GBP',
      ...(card && { payment: { method: 'card', token: card } }),
    },
    headers: { 'idempotency-key': newKey(), ...headers },
  });
}

function cancel(orderId: string, by = customer, headers: Record<string, string> = {}) {
  return shop.request('POST', `/orders/${orderId}/cancel`, {
    token: by.token,
    body: { reason: 'changed my mind' },
    headers,
  });
}

async function typesOf(orderId: string): Promise<string[]> {
  const history = await shop.request('GET', `/orders/${orderId}/events`, { token: customer.token });
  return history.body.map((event: { type: string }) => event.type.replace('order.', ''));
}

describe('cancelling an order', () => {
  it('that is paid gives back its money and its stock', async () => {
    const { body } = await place('tok_ok');
    const cancelled = await cancel(body.id);
    expect(cancelled).toMatchObject({
      status: 200,
      body: { status: 'cancelled', reason: 'changed my mind' },
    });
    expect(needs.stock.get('MUG')).toBe(100);
    expect(await typesOf(body.id)).toEqual(['created', 'paid', 'cancelled', 'refunded']);
  });

  it('that awaits payment releases its stock, and refunds nothing', async () => {
    const { body } = await place();
    expect((await cancel(body.id)).body.status).toBe('cancelled');
    expect(needs.reservations.get(body.id)?.state).toBe('closed');
    expect(await typesOf(body.id)).toEqual(['created', 'awaiting_payment', 'cancelled']);
  });

  it('twice changes nothing the second time', async () => {
    const { body } = await place('tok_ok');
    await cancel(body.id);
    const before = needs.calls.length;
    expect((await cancel(body.id)).status).toBe(200);
    expect(needs.calls.length).toBe(before);
    expect(await typesOf(body.id)).toHaveLength(4);
  });

  it('at once from many clients happens once', async () => {
    const { body } = await place('tok_ok');
    const answers = await Promise.all([cancel(body.id), cancel(body.id), cancel(body.id, staff)]);
    expect(answers.map((answer) => answer.status)).toEqual([200, 200, 200]);
    expect(needs.stock.get('MUG')).toBe(100);
    expect(await typesOf(body.id)).toHaveLength(4);
  });

  it('twice with one key answers the same', async () => {
    const { body } = await place('tok_ok');
    const headers = { 'idempotency-key': newKey() };
    const first = await cancel(body.id, customer, headers);
    const again = await cancel(body.id, customer, headers);
    expect(again.body).toEqual(first.body);
    expect(again.headers.get('idempotency-replayed')).toBe('true');
  });

  it('while its payment is still to settle turns the order back', async () => {
    const { body, status } = await place('tok_later');
    expect(status).toBe(202);
    expect(await cancel(body.id)).toMatchObject({ status: 200, body: { status: 'cancelled' } });
    await shop.settled();
    expect(needs.stock.get('MUG')).toBe(100);
    expect(needs.calls.at(-1)).toBe('product.release');
    expect(needs.calls.at(-2)).toBe('payment.reverse');
    expect(await typesOf(body.id)).toEqual(['created', 'cancelled']);
  });

  it('while it is being placed refuses the placing, and takes back a charge that went through', async () => {
    const charging = Promise.withResolvers<void>();
    const cancelled = Promise.withResolvers<void>();
    needs.interrupt = async (call, when) => {
      if (call !== 'payment.charge' || when === 'before') return;
      charging.resolve();
      await cancelled.promise;
    };
    const placing = place('tok_ok');
    await charging.promise;
    const [open] = (await shop.request('GET', '/orders?status=pending', { token: customer.token })).body.data;
    const cancelling = cancel(open.id);
    // Decided at once, though the charge it undoes has not even answered.
    await vi.waitFor(async () => {
      const { body } = await shop.request('GET', `/orders/${open.id}`, { token: customer.token });
      expect(body.status).toBe('cancelled');
    });
    cancelled.resolve();
    expect(await cancelling).toMatchObject({ status: 200, body: { id: open.id, status: 'cancelled' } });
    expect(await placing).toMatchObject({ status: 409, body: { code: 'order_cancelled', orderId: open.id } });
    expect(needs.stock.get('MUG')).toBe(100);
    expect(await typesOf(open.id)).toEqual(['created', 'cancelled', 'refunded']);
  });

  it('goes on until payment has answered, and refunds once', async () => {
    const { body } = await place('tok_ok');
    let failures = 3;
    needs.interrupt = (call, when) => {
      if (call === 'payment.reverse' && when === 'after' && failures-- > 0)
        throw new Error('lost the answer');
    };
    expect((await cancel(body.id)).body.status).toBe('cancelled');
    await shop.settled();
    expect(failures).toBeLessThan(0);
    expect(needs.stock.get('MUG')).toBe(100);
    expect(await typesOf(body.id)).toEqual(['created', 'paid', 'cancelled', 'refunded']);
  });

  it('after shipping is for staff only', async () => {
    const { body } = await place('tok_ok');
    await shop.request('POST', `/orders/${body.id}/ship`, {
      token: staff.token,
      body: { trackingNumber: 'T' },
    });
    expect(await cancel(body.id)).toMatchObject({ status: 409, body: { code: 'invalid_transition' } });
    expect(await cancel(body.id, staff)).toMatchObject({ status: 200, body: { status: 'cancelled' } });
  });

  it('that was rejected, or has been delivered, is impossible', async () => {
    needs.stock.set('MUG', 1);
    const rejected = await place();
    expect(await cancel(rejected.body.orderId)).toMatchObject({
      status: 409,
      body: { code: 'invalid_transition' },
    });
    needs.stock.set('MUG', 100);
    const { body } = await place('tok_ok');
    await shop.request('POST', `/orders/${body.id}/ship`, {
      token: staff.token,
      body: { trackingNumber: 'T' },
    });
    await shop.request('POST', `/orders/${body.id}/deliver`, { token: staff.token });
    expect(await cancel(body.id, staff)).toMatchObject({ status: 409, body: { code: 'invalid_transition' } });
  });

  it('with a stale If-Match is refused', async () => {
    const { body, headers } = await place('tok_ok');
    expect((await cancel(body.id, customer, { 'if-match': '"1.x"' })).status).toBe(412);
    expect((await cancel(body.id, customer, { 'if-match': headers.get('etag') ?? '' })).status).toBe(200);
  });

  it('that it turned back itself does not find the order stale by that', async () => {
    const { body } = await place('tok_later');
    const { headers } = await shop.request('GET', `/orders/${body.id}`, { token: customer.token });
    expect((await cancel(body.id, customer, { 'if-match': '"9.x"' })).status).toBe(412);
    const cancelled = await cancel(body.id, customer, { 'if-match': headers.get('etag') ?? '' });
    expect(cancelled).toMatchObject({ status: 200, body: { status: 'cancelled', version: 2 } });
  });

  it('of somebody else is not found; staff may', async () => {
    const { body } = await place('tok_ok');
    expect((await cancel(body.id, await shop.signUp())).status).toBe(404);
    expect((await cancel(body.id, staff)).status).toBe(200);
  });

  it('needs a reason and nothing else', async () => {
    const { body } = await place();
    const path = `/orders/${body.id}/cancel`;
    for (const wrong of [{}, { reason: '' }, { reason: 'x', refund: false }]) {
      const refused = await shop.request('POST', path, { token: customer.token, body: wrong });
      expect(refused).toMatchObject({ status: 400, body: { code: 'invalid_request' } });
    }
  });
});
