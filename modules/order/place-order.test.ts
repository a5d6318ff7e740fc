import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { paymentSettled } from '#modules/payment/events';
import { AppError } from '#platform/errors';
import { startShop, type TestShop } from '#platform/testing/shop';
import { createFakeNeeds, sentEvent, UNIT_PRICE } from './fake-needs.ts';
import { orderModule } from './module.ts';

const needs = createFakeNeeds();
let shop: TestShop;
let customer: { userId: string; token: string };
let keys = 0;

beforeAll(async () => {
  const fakes = { product: needs.product, payment: needs.payment, user: needs.user };
  shop = await startShop({ modules: [orderModule], fakes });
  customer = await shop.signUp();
});

afterAll(() => shop.stop());

beforeEach(() => {
  needs.interrupt = () => {};
  needs.stock.set('MUG', 100).set('TEE', 5).set('FREE', 100);
});

const items = [{ sku: 'MUG', quantity: 2 }];
const payBy = (token: string) => ({ method: 'card', token });
const newKey = () => `key-${++keys}`;

function place(body: object, key = newKey(), headers: Record<string, string> = {}) {
  return shop.request('POST', '/orders', {
    token: customer.token,
    body: { items, currency: 'GBP', ...body },
    headers: { 'idempotency-key': key, ...headers },
  });
}

function read(orderId: string) {
  return shop.request('GET', `/orders/${orderId}`, { token: customer.token });
}

describe('placing an order', () => {
  it('with a payment answers 201 with the paid order', async () => {
    const placed = await place({ payment: payBy('tok_ok') });
    expect(placed.status).toBe(201);
    expect(placed.body).toEqual({
      id: expect.any(String),
      number: expect.stringMatching(/^B-\d{6,}$/),
      userId: customer.userId,
      status: 'paid',
      currency: 'GBP',
      items: [
        {
          sku: 'MUG',
          name: 'Name of MUG',
          quantity: 2,
          unitPrice: { amount: UNIT_PRICE, currency: 'GBP' },
          lineTotal: { amount: 2 * UNIT_PRICE, currency: 'GBP' },
        },
      ],
      total: { amount: 2 * UNIT_PRICE, currency: 'GBP' },
      shippingAddress: null,
      reason: null,
      trackingNumber: null,
      paymentId: expect.any(String),
      version: 2,
      createdAt: expect.stringMatching(/Z$/),
      updatedAt: expect.stringMatching(/Z$/),
    });
    expect(placed.headers.get('location')).toBe(`/api/v1/orders/${placed.body.id}`);
    expect(needs.charges.get(placed.body.paymentId)).toMatchObject({ amount: { amount: 1000 } });
    expect(needs.reservations.get(placed.body.id)).toMatchObject({ state: 'open', pinned: true });
    expect((await read(placed.body.id)).body).toEqual(placed.body);
  });

  it('without one awaits payment, with stock that may expire', async () => {
    const placed = await place({});
    expect(placed.status).toBe(201);
    expect(placed.body).toMatchObject({ status: 'awaiting_payment', paymentId: null });
    expect(needs.reservations.get(placed.body.id)).toMatchObject({ state: 'open', pinned: false });
  });

  it('that costs nothing is paid without a charge, whatever card comes with it', async () => {
    const before = needs.charges.size;
    const free = { items: [{ sku: 'FREE', quantity: 3 }] };
    const [bare, carded] = [await place(free), await place({ ...free, payment: payBy('tok_declined') })];
    expect(bare).toMatchObject({ status: 201, body: { status: 'paid', paymentId: null } });
    expect(carded).toMatchObject({ status: 201, body: { status: 'paid', paymentId: null } });
    expect(needs.charges.size).toBe(before);
  });

  it('adds equal skus up, and refuses more than a line may hold', async () => {
    const twice = [
      { sku: 'MUG', quantity: 1 },
      { sku: 'MUG', quantity: 2 },
    ];
    expect((await place({ items: twice })).body.items).toMatchObject([{ sku: 'MUG', quantity: 3 }]);
    const tooMany = twice.map((line) => ({ ...line, quantity: 600_000 }));
    expect(await place({ items: tooMany })).toMatchObject({
      status: 400,
      body: { code: 'invalid_request', errors: [{ path: 'items.1.quantity' }] },
    });
  });

  it('of a sku that is unknown, or has no price in the currency, names the skus and writes nothing', async () => {
    const unknown = await place({ items: [...items, { sku: 'NONE', quantity: 1 }] });
    expect(unknown).toMatchObject({ status: 422, body: { code: 'unknown_sku', skus: ['NONE'] } });
    const unpriced = await place({ currency: 'EUR' });
    expect(unpriced).toMatchObject({ status: 422, body: { code: 'no_price', skus: ['MUG'] } });
  });

  it('for more than there is in stock is rejected, and tells what there is', async () => {
    const rejected = await place({ items: [...items, { sku: 'TEE', quantity: 6 }] });
    const shortage = [{ sku: 'TEE', requested: 6, available: 5 }];
    expect(rejected).toMatchObject({ status: 409, body: { code: 'insufficient_stock', items: shortage } });
    expect(needs.stock.get('MUG')).toBe(100);
    const order = await read(rejected.body.orderId);
    expect(order.body).toMatchObject({ status: 'rejected', reason: 'insufficient_stock' });
  });

  it('once rejected takes no stock that comes later, though a driver that was stopped asks for it', async () => {
    const rejected = await place({ items: [{ sku: 'TEE', quantity: 6 }] });
    const { orderId } = rejected.body;
    needs.stock.set('TEE', 10);
    const late = { orderId, lines: [{ sku: 'TEE', quantity: 6 }], pinned: true, expiresInMs: 1_000 };
    await expect(needs.product.reserve(late)).rejects.toMatchObject({ code: 'reservation_closed' });
    expect(needs.stock.get('TEE')).toBe(10);
  });

  it('with a declined card is cancelled and gives its stock back', async () => {
    const declined = await place({ payment: payBy('tok_declined') });
    expect(declined).toMatchObject({ status: 402, body: { code: 'payment_declined' } });
    expect(needs.stock.get('MUG')).toBe(100);
    const order = await read(declined.body.orderId);
    expect(order.body).toMatchObject({ status: 'cancelled', reason: 'payment_declined' });
  });

  it('keeps no card token once the charge has its outcome', async () => {
    await place({ payment: payBy('tok_ok') });
    await place({ payment: payBy('tok_declined') });
    const rows = await shop.database('order').rows(sql`
      select payment_id from orders.payment_token where token in ('tok_ok', 'tok_declined')`);
    expect(rows).toEqual([]);
    const traces = await shop.database('order').rows(sql`
      select 1 from orders.saga where data::text like '%tok_%'
      union all select 1 from orders.event where data::text like '%tok_%'`);
    expect(traces).toEqual([]);
  });

  it.each([
    ['no items', { items: [] }],
    ['a quantity of zero', { items: [{ sku: 'MUG', quantity: 0 }] }],
    ['a negative quantity', { items: [{ sku: 'MUG', quantity: -1 }] }],
    ['half a piece', { items: [{ sku: 'MUG', quantity: 1.5 }] }],
    ['more than a million pieces', { items: [{ sku: 'MUG', quantity: 1_000_001 }] }],
    ['a line with a price', { items: [{ sku: 'MUG', quantity: 1, unitPrice: 1 }] }],
    ['a status', { status: 'paid' }],
    ['a user', { userId: '0192aaaa-0000-7000-8000-000000000001' }],
    ['an unknown currency', { currency: 'XXQ' }],
    ['another method of payment', { payment: { method: 'cash', token: 'tok_ok' } }],
    ['a card number', { payment: { method: 'card', token: 'tok_ok', number: '4242' } }],
    ['an address that is no text', { shippingAddress: { city: { name: 'York' } } }],
    [
      '2,001 lines',
      { items: Array.from({ length: 2_001 }, (_, index) => ({ sku: `s${index}`, quantity: 1 })) },
    ],
  ])('refuses %s', async (_, body) => {
    expect(await place(body)).toMatchObject({ status: 400, body: { code: 'invalid_request' } });
  });

  it('needs a token and an idempotency key', async () => {
    const body = { items, currency: 'GBP' };
    const anonymous = await shop.request('POST', '/orders', { body, headers: { 'idempotency-key': 'k' } });
    expect(anonymous.status).toBe(401);
    const keyless = await shop.request('POST', '/orders', { token: customer.token, body });
    expect(keyless).toMatchObject({ status: 400, body: { code: 'idempotency_key_missing' } });
  });
});

describe('the same key again', () => {
  const outcomes: [string, object][] = [
    ['a paid order', { payment: payBy('tok_ok') }],
    ['an unpaid order', {}],
    ['a rejection', { items: [{ sku: 'TEE', quantity: 600 }] }],
    ['a declined payment', { payment: payBy('tok_declined') }],
    ['an unknown sku', { items: [{ sku: 'NONE', quantity: 1 }] }],
  ];

  it.each(outcomes)('replays %s, word for word', async (_, body) => {
    const key = newKey();
    const first = await place(body, key);
    const charges = needs.charges.size;
    const again = await place(body, key);
    expect(again.status).toBe(first.status);
    expect(again.body).toEqual(first.body);
    expect(again.headers.get('etag')).toBe(first.headers.get('etag'));
    expect(first.headers.get('idempotency-replayed')).toBeNull();
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    expect(needs.charges.size).toBe(charges);
  });

  it('is answered while the products do not answer at all', async () => {
    const key = newKey();
    const first = await place({ payment: payBy('tok_ok') }, key);
    const { promise: stalled, resolve: wakeUp } = Promise.withResolvers<void>();
    needs.interrupt = (call) => (call === 'product.quote' ? stalled : undefined);
    const again = await place({ payment: payBy('tok_ok') }, key);
    wakeUp();
    expect(again).toMatchObject({ status: 201, body: first.body });
  });

  it('with another body is refused', async () => {
    const key = newKey();
    await place({}, key);
    expect(await place({ currency: 'EUR' }, key)).toMatchObject({
      status: 422,
      body: { code: 'idempotency_key_reused' },
    });
  });

  it('shows the address as long as it is kept, though no stored answer holds it', async () => {
    const shippingAddress = { name: 'Ada', line1: '1 High Street', city: 'York', country: 'GB' };
    const key = newKey();
    const first = await place({ shippingAddress }, key);
    expect(first.body.shippingAddress).toEqual(shippingAddress);
    expect((await place({ shippingAddress }, key)).body).toEqual(first.body);
    const held = await shop.database('order').rows(sql`
      select 1 from orders.idempotency where body like '%High Street%'
      union all select 1 from orders.event where data::text like '%High Street%'
      union all select 1 from orders.saga where data::text like '%High Street%'`);
    expect(held).toEqual([]);
    await shop
      .database('order')
      .rows(sql`delete from orders.order_address where order_id = ${first.body.id}::uuid`);
    expect((await place({ shippingAddress }, key)).body).toEqual({ ...first.body, shippingAddress: null });
  });
});

describe('an order that takes longer', () => {
  it('is answered with 202 at once when the payment settles later, and its repeat with the outcome', async () => {
    const key = newKey();
    const body = { payment: payBy('tok_later') };
    const open = await place(body, key);
    expect(open).toMatchObject({ status: 202, body: { status: 'pending', version: 1 } });
    expect(open.headers.get('location')).toBe(`/api/v1/orders/${open.body.id}`);
    expect((await place(body, key, { prefer: 'respond-async' })).status).toBe(202);

    const repeat = place(body, key, { prefer: 'wait=20' });
    await settlePayment(open.body.id, 'captured');
    expect(await repeat).toMatchObject({ status: 201, body: { id: open.body.id, status: 'paid' } });
    expect((await place(body, key)).headers.get('idempotency-replayed')).toBe('true');
  });

  it('is cancelled when the payment settles as failed', async () => {
    const key = newKey();
    const body = { payment: payBy('tok_later') };
    const open = await place(body, key);
    await settlePayment(open.body.id, 'failed');
    expect(await place(body, key)).toMatchObject({ status: 402, body: { orderId: open.body.id } });
    expect(needs.stock.get('MUG')).toBe(100);
  });

  it('goes on by itself when the client does not wait', async () => {
    const placed = await place({ payment: payBy('tok_ok') }, newKey(), { prefer: 'respond-async' });
    expect(placed).toMatchObject({ status: 202, body: { status: 'pending' } });
    await shop.settled();
    expect((await read(placed.body.id)).body.status).toBe('paid');
  });

  it('is given up at its deadline: 503, all undone, and the key free for another try', async () => {
    const key = newKey();
    const body = { payment: payBy('tok_ok') };
    let open = true;
    needs.interrupt = async (call) => {
      if (call !== 'payment.charge' || !open) return;
      await shop
        .database('order')
        .rows(sql`update orders.saga set deadline_at = now() where state = 'running'`);
      throw new AppError('unavailable', 'timeout', 'the provider does not answer');
    };
    const given = await place(body, key);
    expect(given).toMatchObject({ status: 503, body: { code: 'order_abandoned' } });
    expect((await read(given.body.orderId)).body).toMatchObject({ status: 'cancelled', reason: 'abandoned' });
    expect(needs.stock.get('MUG')).toBe(100);
    open = false;
    const retried = await place(body, key);
    expect(retried).toMatchObject({ status: 201, body: { status: 'paid' } });
    expect(retried.body.id).not.toBe(given.body.orderId);
  });
});

/** Delivers payment's word that a charge has its outcome. */
async function settlePayment(orderId: string, state: 'captured' | 'failed'): Promise<void> {
  const order = shop.shop.modules.find((module) => module.name === 'order');
  const [paymentId, charge] = [...needs.charges].find(([, known]) => known.orderId === orderId)!;
  charge.state = state === 'captured' ? 'captured' : 'declined';
  await order?.consume(sentEvent(crypto.randomUUID(), paymentSettled, { paymentId, orderId, state }));
}
