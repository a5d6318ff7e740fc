import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Finding } from '#platform/audit';
import { startShop, type TestShop } from '#platform/testing/shop';

/** Orders in a shop of real modules: the contracts' two sides meet here. */

let shop: TestShop;
let staff: { userId: string; token: string };
let customer: { userId: string; token: string };
let productId: string;
let keys = 0;

beforeAll(async () => {
  // Each call passes through the form that it has between processes as well; see the last test.
  shop = await startShop({ config: { shadowRatio: 1 } });
  staff = await shop.signUp('staff');
  customer = await shop.signUp();
  const made = await shop.request('POST', '/products', {
    token: staff.token,
    body: {
      name: 'Mug',
      variants: [
        { sku: 'MUG', prices: [{ amount: 750, currency: 'GBP' }], onHand: 1_000 },
        { sku: 'RARE', prices: [{ amount: 9900, currency: 'GBP' }], onHand: 1 },
      ],
    },
  });
  expect(made.status).toBe(201);
  productId = made.body.id;
});

afterAll(() => shop.stop());

function place(card: string | undefined, sku = 'MUG', key = `key-${++keys}`, headers: object = {}) {
  return shop.request('POST', '/orders', {
    token: customer.token,
    body: {
      items: [{ sku, quantity: 2 }],
      currency: 'GBP',
      ...(card && { payment: { method: 'card', token: card } }),
    },
    headers: { 'idempotency-key': key, ...headers },
  });
}

async function available(sku = 'MUG'): Promise<number> {
  const { body } = await shop.request('GET', `/products/${productId}`);
  return body.variants.find((variant: { sku: string }) => variant.sku === sku).stock.available;
}

const get = async (path: string) => (await shop.request('GET', path, { token: customer.token })).body;

describe('an order in a whole shop', () => {
  it('is paid, sold and shown with its owner, its products and its payment', async () => {
    const before = await available();
    const { status, body } = await place('tok_ok');
    expect({ status, paid: body.status, total: body.total.amount }).toEqual({
      status: 201,
      paid: 'paid',
      total: 1500,
    });
    await shop.settled();
    expect(await available()).toBe(before - 2);
    const expanded = await get(`/orders/${body.id}?expand=user,items.product,payment`);
    expect(expanded).toMatchObject({
      user: { id: customer.userId },
      items: [{ sku: 'MUG', product: { id: productId } }],
      payment: { id: body.paymentId, status: 'captured', amount: { amount: 1500, currency: 'GBP' } },
    });
  });

  it.each(['tok_timeout', 'tok_flaky'])('is paid once with %s', async (card) => {
    const { status, body } = await place(card, 'MUG', undefined, { prefer: 'wait=30' });
    expect({ status, paid: body.status }).toEqual({ status: 201, paid: 'paid' });
  });

  it('is paid by webhook with tok_later, as its repeat tells', async () => {
    const key = `key-${++keys}`;
    expect(await place('tok_later', 'MUG', key)).toMatchObject({ status: 202, body: { status: 'pending' } });
    const repeat = await place('tok_later', 'MUG', key, { prefer: 'wait=30' });
    expect(repeat).toMatchObject({ status: 201, body: { status: 'paid' } });
  });

  it('is refused for want of stock, or by the card, and leaves no trace in stock', async () => {
    const before = await available();
    expect(await place('tok_ok', 'RARE')).toMatchObject({
      status: 409,
      body: { code: 'insufficient_stock', items: [{ sku: 'RARE', requested: 2, available: 1 }] },
    });
    expect(await place('tok_declined')).toMatchObject({ status: 402, body: { code: 'payment_declined' } });
    expect(await available()).toBe(before);
  });

  it('is paid later, after a first card was declined', async () => {
    const { body } = await place(undefined);
    const pay = (token: string) =>
      shop.request('POST', `/orders/${body.id}/payment`, {
        token: customer.token,
        body: { method: 'card', token },
        headers: { 'idempotency-key': `key-${++keys}` },
      });
    expect((await pay('tok_declined')).status).toBe(402);
    expect(await pay('tok_ok')).toMatchObject({ status: 200, body: { status: 'paid' } });
  });

  it.each(['tok_ok', 'tok_later'])('cancelled after %s gives back its money and its stock', async (card) => {
    const before = await available();
    const { body } = await place(card);
    const cancelled = await shop.request('POST', `/orders/${body.id}/cancel`, {
      token: customer.token,
      body: { reason: 'changed my mind' },
    });
    expect(cancelled).toMatchObject({ status: 200, body: { status: 'cancelled' } });
    await shop.settled();
    expect(await available()).toBe(before);
  });

  it('after all this the audit finds nothing', async () => {
    await shop.settled();
    const found: Finding[] = [];
    for await (const finding of shop.shop.audit()) found.push(finding);
    expect(found).toEqual([]);
  });
});

it('makes no call that would be another one between processes', async () => {
  await shop.settled();
  const metrics = await (await shop.shop.opsApp.request('/metrics')).text();
  const compared = metrics.match(/^banyan_shadow_calls_total\{.*$/gm) ?? [];
  for (const call of ['product.reserve', 'payment.charge', 'user.profiles', 'order.receipts']) {
    const [module, name] = call.split('.');
    expect(compared).toContainEqual(
      expect.stringContaining(`module="${module}",call="${name}",result="same"`),
    );
  }
  expect(compared.filter((line) => line.includes('result="different"'))).toEqual([]);
});
