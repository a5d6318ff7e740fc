import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { lateCaptureRefunded } from '#modules/payment/events';
import { userErased } from '#modules/user/events';
import type { DataOf, EventType } from '#platform/events/event';
import { startShop, type TestShop } from '#platform/testing/shop';
import { orderContract } from './contract.ts';
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
  needs.stock.set('MUG', 1_000);
});

async function place(card: string | undefined, body: object = {}, by = customer): Promise<string> {
  const placed = await shop.request('POST', '/orders', {
    token: by.token,
    body: {
      items: [{ sku: 'MUG', quantity: 2 }],
      currency: 'GBP',
      ...(card && { payment: { method: 'card', token: card } }),
      ...body,
    },
    headers: { 'idempotency-key': `key-${++keys}` },
  });
  return placed.body.id;
}

const read = async (orderId: string, by = customer) =>
  (await shop.request('GET', `/orders/${orderId}`, { token: by.token })).body;

const hosted = () => shop.shop.modules.find((module) => module.name === 'order')!;

async function deliver<E extends EventType>(id: string, type: E, data: DataOf<E>): Promise<void> {
  await hosted().consume(sentEvent(id, type, data));
}

async function typesOf(orderId: string): Promise<string[]> {
  const rows = await shop.database('order').rows<{ type: string }>(sql`
    select type from orders.event where stream = ${orderId}::uuid order by version`);
  return rows.map((row) => row.type.replace('order.', ''));
}

describe('an order that is not paid in time', () => {
  const expire = () =>
    hosted()
      .parts.schedules!.find(({ name }) => name === 'expire-unpaid-orders')!
      .run();

  async function age(orderId: string, minutes: number): Promise<void> {
    await shop.database('order').rows(sql`
      update orders.order_view set created_at = now() - ${minutes}::int * interval '1 minute'
      where id = ${orderId}::uuid`);
  }

  it('is cancelled and its stock released, once it is fifteen minutes old', async () => {
    const [old, young] = [await place(undefined), await place(undefined)];
    await age(old, 16);
    await age(young, 14);
    await expire();
    await expire();
    await shop.settled();
    expect(await read(old)).toMatchObject({ status: 'cancelled', reason: 'payment_window_closed' });
    expect(await typesOf(old)).toEqual(['created', 'awaiting_payment', 'cancelled']);
    expect(needs.reservations.get(old)?.state).toBe('closed');
    expect((await read(young)).status).toBe('awaiting_payment');
  });

  it('is left alone while a payment is under way, and when it is paid', async () => {
    const [paying, paid] = [await place(undefined), await place('tok_ok')];
    await shop.request('POST', `/orders/${paying}/payment`, {
      token: customer.token,
      body: { method: 'card', token: 'tok_later' },
      headers: { 'idempotency-key': `key-${++keys}` },
    });
    await age(paying, 16);
    await age(paid, 16);
    await expire();
    expect((await read(paying)).status).toBe('awaiting_payment');
    expect((await read(paid)).status).toBe('paid');
  });

  it('does not keep the others from their end when it cannot be cancelled', async () => {
    const orders = [await place(undefined), await place(undefined)];
    for (const orderId of orders) await age(orderId, 20);
    // Its log is broken, so no command can be decided on it.
    const lost = await place(undefined);
    await age(lost, 30);
    await shop.database('order').rows(sql`delete from orders.event where stream = ${lost}::uuid`);
    await expire();
    for (const orderId of orders) expect((await read(orderId)).status).toBe('cancelled');
    await shop.database('order').rows(sql`delete from orders.order_view where id = ${lost}::uuid`);
  });
});

describe('a capture that came too late and was refunded', () => {
  const amount = { amount: 1000, currency: 'GBP' };
  const data = (orderId: string) => ({ paymentId: orderId, orderId, amount });

  it('is remembered by its cancelled order and published, once however often it is delivered', async () => {
    const orderId = await place(undefined);
    await shop.request('POST', `/orders/${orderId}/cancel`, {
      token: customer.token,
      body: { reason: 'no' },
    });
    const id = crypto.randomUUID();
    await deliver(id, lateCaptureRefunded, data(orderId));
    await deliver(id, lateCaptureRefunded, data(orderId));
    expect(await typesOf(orderId)).toEqual(['created', 'awaiting_payment', 'cancelled', 'refunded']);
    const published = await shop.database('order').rows(sql`
      select version, data -> 'amount' as amount from orders.outbox
      where stream = ${`order:${orderId}`} and type = 'order.refunded.v1'`);
    expect(published).toEqual([{ version: 4, amount }]);
  });

  it('is delivered again while its order is still being given up', async () => {
    const orderId = await place(undefined);
    const refused = deliver(crypto.randomUUID(), lateCaptureRefunded, data(orderId));
    await expect(refused).rejects.toMatchObject({ code: 'order_not_cancelled_yet' });
    expect(await typesOf(orderId)).toEqual(['created', 'awaiting_payment']);
  });
});

describe('the erasure of a user', () => {
  it('empties the addresses of all their orders, and of no one else', async () => {
    const [gone, other] = [await shop.signUp(), await shop.signUp()];
    const shippingAddress = { line1: '1 High Street' };
    const erased = [
      await place('tok_ok', { shippingAddress }, gone),
      await place(undefined, { shippingAddress }, gone),
    ];
    const kept = await place('tok_ok', { shippingAddress }, other);
    await deliver(crypto.randomUUID(), userErased, { userId: gone.userId });
    for (const orderId of erased) {
      expect(await read(orderId, gone)).toMatchObject({ id: orderId, shippingAddress: null });
    }
    expect(await read(kept, other)).toMatchObject({ shippingAddress });
  });

  it('lets no later order of a token that still lives leave an address', async () => {
    const gone = await shop.signUp();
    await deliver(crypto.randomUUID(), userErased, { userId: gone.userId });
    const orderId = await place('tok_ok', { shippingAddress: { line1: '1 High Street' } }, gone);
    expect(await read(orderId, gone)).toMatchObject({ status: 'paid', shippingAddress: null });
  });
});

describe('rebuilding the read model', () => {
  async function rebuild(): Promise<number> {
    let total = 0;
    for (let after: string | null = null; ; ) {
      const { count, last }: { count: number; last: string | null } = await shop
        .api(orderContract)
        .rebuild({ after });
      total += count;
      if (last === null) return total;
      after = last;
    }
  }

  it('gives from the log just what was there, and mends what was not', async () => {
    const orders = [await place('tok_ok'), await place(undefined), await place('tok_declined')];
    await shop.request('POST', `/orders/${orders[0]}/cancel`, {
      token: customer.token,
      body: { reason: 'no' },
    });
    const staff = await shop.signUp('staff');
    const shipped = await place('tok_ok');
    await shop.request('POST', `/orders/${shipped}/ship`, {
      token: staff.token,
      body: { trackingNumber: 'T-9' },
    });
    const database = shop.database('order');
    // The tests above moved creation times by hand, which no event tells.
    await database.rows(sql`
      update orders.order_view v set created_at = e.at from orders.event e where e.stream = v.id and e.version = 1`);
    const all = () => database.rows(sql`select * from orders.order_view order by id`);
    const before = await all();
    expect(before.length).toBeGreaterThan(4);
    expect(await rebuild()).toBe(before.length);
    expect(await all()).toEqual(before);
    await database.rows(
      sql`update orders.order_view set status = 'delivered', total = 1, items = '[]', version = 9`,
    );
    await database.rows(sql`delete from orders.order_view where id = ${shipped}::uuid`);
    expect(await rebuild()).toBe(before.length);
    expect(await all()).toEqual(before);
  });
});
