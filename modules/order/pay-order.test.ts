import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { paymentSettled } from '#modules/payment/events';
import { AppError } from '#platform/errors';
import { startShop, type TestShop } from '#platform/testing/shop';
import { createFakeNeeds, sentEvent } from './fake-needs.ts';
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
  needs.stock.set('MUG', 100);
});

const newKey = () => `key-${++keys}`;

/** A fresh order that awaits payment. */
async function unpaid(): Promise<string> {
  const placed = await shop.request('POST', '/orders', {
    token: customer.token,
    body: { items: [{ sku: 'MUG', quantity: 2 }], currency: 'GBP' },
    headers: { 'idempotency-key': newKey() },
  });
  expect(placed.body.status).toBe('awaiting_payment');
  return placed.body.id;
}

function pay(
  orderId: string,
  card: string,
  key = newKey(),
  headers: Record<string, string> = {},
  by = customer,
) {
  return shop.request('POST', `/orders/${orderId}/payment`, {
    token: by.token,
    body: { method: 'card', token: card },
    headers: { 'idempotency-key': key, ...headers },
  });
}

const read = (orderId: string) => shop.request('GET', `/orders/${orderId}`, { token: customer.token });
const chargesOf = (orderId: string) => [...needs.charges].filter(([, charge]) => charge.orderId === orderId);

describe('paying an order', () => {
  it('answers 200 with the paid order, its stock pinned before the charge', async () => {
    const orderId = await unpaid();
    needs.calls.length = 0;
    const paid = await pay(orderId, 'tok_ok');
    expect(paid).toMatchObject({ status: 200, body: { id: orderId, status: 'paid', version: 3 } });
    expect(chargesOf(orderId).map(([id]) => id)).toEqual([paid.body.paymentId]);
    expect(needs.calls).toEqual(['product.pin', 'payment.charge']);
    expect((await read(orderId)).body).toEqual(paid.body);
  });

  it('that is paid already changes nothing and charges nothing', async () => {
    const orderId = await unpaid();
    const first = await pay(orderId, 'tok_ok');
    const second = await pay(orderId, 'tok_declined');
    expect(second).toMatchObject({ status: 200, body: first.body });
    expect(chargesOf(orderId)).toHaveLength(1);
  });

  it('twice with one key charges once and answers the same', async () => {
    const orderId = await unpaid();
    const key = newKey();
    const first = await pay(orderId, 'tok_ok', key);
    const again = await pay(orderId, 'tok_ok', key);
    expect(again.body).toEqual(first.body);
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    expect(chargesOf(orderId)).toHaveLength(1);
  });

  it('from two clients at once charges once', async () => {
    const orderId = await unpaid();
    const answers = await Promise.all([pay(orderId, 'tok_ok'), pay(orderId, 'tok_ok')]);
    expect(answers.map((answer) => answer.status)).toEqual([200, 200]);
    expect(answers[0]!.body).toEqual(answers[1]!.body);
    expect(chargesOf(orderId)).toHaveLength(1);
  });

  it('with a declined card leaves it to be paid with another, its stock free to expire', async () => {
    const orderId = await unpaid();
    const declined = await pay(orderId, 'tok_declined');
    expect(declined).toMatchObject({ status: 402, body: { code: 'payment_declined', orderId } });
    expect((await read(orderId)).body).toMatchObject({ status: 'awaiting_payment', version: 2 });
    expect(needs.reservations.get(orderId)).toMatchObject({ state: 'open', pinned: false });
    expect(await pay(orderId, 'tok_ok')).toMatchObject({ status: 200, body: { status: 'paid' } });
  });

  it('whose stock has expired cancels it', async () => {
    const orderId = await unpaid();
    await needs.product.release({ orderId });
    const late = await pay(orderId, 'tok_ok');
    expect(late).toMatchObject({ status: 409, body: { code: 'invalid_transition' } });
    expect((await read(orderId)).body).toMatchObject({
      status: 'cancelled',
      reason: 'payment_window_closed',
    });
    expect(chargesOf(orderId)).toEqual([]);
  });

  it('is answered with 202 when the payment settles later, and its repeat with the outcome', async () => {
    const orderId = await unpaid();
    const key = newKey();
    expect(await pay(orderId, 'tok_later', key)).toMatchObject({
      status: 202,
      body: { status: 'awaiting_payment' },
    });
    const [paymentId, charge] = chargesOf(orderId)[0]!;
    charge.state = 'captured';
    const order = shop.shop.modules.find((module) => module.name === 'order');
    const data = { paymentId, orderId, state: 'captured' as const };
    await order?.consume(sentEvent(crypto.randomUUID(), paymentSettled, data));
    expect(await pay(orderId, 'tok_later', key)).toMatchObject({
      status: 200,
      body: { status: 'paid', paymentId },
    });
  });

  it('whose charge has no outcome in time cancels it, gives all back and frees the key', async () => {
    const orderId = await unpaid();
    const key = newKey();
    needs.interrupt = async (call, when) => {
      if (call !== 'payment.charge' || when === 'before') return;
      await shop
        .database('order')
        .rows(sql`update orders.saga set deadline_at = now() where state = 'running'`);
      throw new AppError('unavailable', 'timeout', 'the provider does not answer');
    };
    const given = await pay(orderId, 'tok_ok', key);
    expect(given).toMatchObject({ status: 503, body: { code: 'order_abandoned', orderId } });
    expect(needs.reservations.get(orderId)?.state).toBe('closed');
    const history = await shop.request('GET', `/orders/${orderId}/events`, { token: customer.token });
    expect(history.body.slice(2)).toMatchObject([
      { type: 'order.cancelled', data: { reason: 'abandoned', by: 'shop' } },
      { type: 'order.refunded', data: { amount: { amount: 1000, currency: 'GBP' } } },
    ]);
    expect(await pay(orderId, 'tok_ok', key)).toMatchObject({
      status: 409,
      body: { code: 'invalid_transition' },
    });
  });

  it('while another payment is still to settle waits for it, and is refused when that takes too long', async () => {
    const orderId = await unpaid();
    expect((await pay(orderId, 'tok_later')).status).toBe(202);
    expect(await pay(orderId, 'tok_ok')).toMatchObject({ status: 409, body: { code: 'invalid_transition' } });
    expect(chargesOf(orderId)).toHaveLength(1);
  });

  it('is told to come back while another change of it is held by a process that has died', async () => {
    const orderId = await unpaid();
    expect((await pay(orderId, 'tok_later')).status).toBe(202);
    await shop.database('order').rows(sql`
      update orders.saga set waiting = false, fence = fence + 1, due_at = now() + interval '1 minute'
      where subject = ${orderId}::uuid and state = 'running'`);
    const busy = await pay(orderId, 'tok_ok');
    expect(busy).toMatchObject({ status: 503, body: { code: 'order_busy' } });
    expect(busy.headers.get('retry-after')).toBe('1');
    expect(chargesOf(orderId)).toHaveLength(1);
  });

  it('that is cancelled is refused', async () => {
    const orderId = await unpaid();
    await shop.request('POST', `/orders/${orderId}/cancel`, {
      token: customer.token,
      body: { reason: 'no' },
    });
    expect(await pay(orderId, 'tok_ok')).toMatchObject({ status: 409, body: { code: 'invalid_transition' } });
  });

  it('with a stale If-Match is refused and charges nothing', async () => {
    const orderId = await unpaid();
    expect((await pay(orderId, 'tok_ok', newKey(), { 'if-match': '"1.x"' })).status).toBe(412);
    expect(chargesOf(orderId)).toEqual([]);
    expect((await pay(orderId, 'tok_ok', newKey(), { 'if-match': '"2.x"' })).status).toBe(200);
  });

  it('of somebody else is not found, for staff too', async () => {
    const orderId = await unpaid();
    for (const role of ['customer', 'staff'] as const) {
      const other = await shop.signUp(role);
      expect((await pay(orderId, 'tok_ok', newKey(), {}, other)).status).toBe(404);
    }
    expect(chargesOf(orderId)).toEqual([]);
  });

  it('needs a key and a card, and nothing else', async () => {
    const path = `/orders/${await unpaid()}/payment`;
    const card = { method: 'card', token: 'tok_ok' };
    const keyless = await shop.request('POST', path, { token: customer.token, body: card });
    expect(keyless).toMatchObject({ status: 400, body: { code: 'idempotency_key_missing' } });
    const headers = { 'idempotency-key': newKey() };
    const more = await shop.request('POST', path, {
      token: customer.token,
      body: { ...card, amount: 1 },
      headers,
    });
    expect(more).toMatchObject({ status: 400, body: { errors: [{ path: 'amount' }] } });
  });
});
