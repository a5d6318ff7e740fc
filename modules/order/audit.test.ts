import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Finding } from '#platform/audit';
import { startShop, type TestShop } from '#platform/testing/shop';
import { createFakeNeeds } from './fake-needs.ts';
import { orderModule } from './module.ts';

const needs = createFakeNeeds();
let shop: TestShop;
let customer: { userId: string; token: string };
let keys = 0;

beforeAll(async () => {
  const fakes = { product: needs.product, payment: needs.payment, user: needs.user };
  shop = await startShop({ modules: [orderModule], fakes });
  customer = await shop.signUp();
  needs.stock.set('MUG', 1_000);
});

afterAll(() => shop.stop());

async function place(card?: string): Promise<string> {
  const placed = await shop.request('POST', '/orders', {
    token: customer.token,
    body: {
      items: [{ sku: 'MUG', quantity: 2 }],
      currency: 'GBP',
      ...(card && { payment: { method: 'card', token: card } }),
    },
    headers: { 'idempotency-key': `key-${++keys}` },
  });
  return placed.body.id;
}

async function findings(): Promise<Finding[]> {
  const found: Finding[] = [];
  const hosted = shop.shop.modules.find((module) => module.name === 'order');
  for (const check of hosted?.parts.audit ?? []) {
    for await (const finding of check()) found.push(finding);
  }
  return found;
}

/** Breaks something, and returns what the audit says about it; then mends it, after which it says nothing. */
async function planted(breakIt: () => Promise<unknown>, mendIt: () => Promise<unknown>): Promise<Finding[]> {
  await breakIt();
  const found = await findings();
  await mendIt();
  expect(await findings()).toEqual([]);
  return found;
}

const run = (statement: ReturnType<typeof sql>) => shop.database('order').rows(statement);

describe('the audit of orders', () => {
  it('finds nothing in a shop that trades', async () => {
    await place('tok_ok');
    await place('tok_declined');
    await place('tok_later');
    await place();
    const cancelled = await place('tok_ok');
    await shop.request('POST', `/orders/${cancelled}/cancel`, {
      token: customer.token,
      body: { reason: 'no' },
    });
    expect(await findings()).toEqual([]);
  });

  it('I2: names a paid order without its capture', async () => {
    const orderId = await place('tok_ok');
    const [paymentId, charge] = [...needs.charges].find(([, known]) => known.orderId === orderId)!;
    const found = await planted(
      async () => needs.charges.delete(paymentId),
      async () => needs.charges.set(paymentId, charge),
    );
    expect(found).toMatchObject([{ invariant: 'I2', subject: expect.stringContaining(orderId) }]);
  });

  it('I2: names a cancelled order that kept its money', async () => {
    const orderId = await place('tok_declined').then(async () => {
      const [row] = await shop.database('order').rows<{ id: string }>(sql`
        select id from orders.order_view where status = 'cancelled' order by created_at desc limit 1`);
      return row!.id;
    });
    const amount = { amount: 1000, currency: 'GBP' };
    const found = await planted(
      async () => needs.charges.set('kept', { orderId, amount, state: 'captured' }),
      async () => needs.charges.delete('kept'),
    );
    expect(found).toMatchObject([{ invariant: 'I2', subject: expect.stringContaining(orderId) }]);
  });

  it('I4: names a pending order that no saga works on', async () => {
    const orderId = await place('tok_ok');
    // Only its age and its status count here; the log and the money are other checks' matter.
    const found = await planted(
      () =>
        run(sql`
        update orders.order_view set status = 'pending', updated_at = now() - interval '1 hour'
        where id = ${orderId}::uuid`),
      () => run(sql`update orders.order_view set status = 'paid' where id = ${orderId}::uuid`),
    );
    expect(found).toContainEqual({
      invariant: 'I4',
      subject: `order ${orderId}`,
      detail: 'is pending and no saga works on it',
    });
  });

  it('I4: names a saga that is long past its deadline', async () => {
    const orderId = await place('tok_later');
    const move = (by: string) =>
      run(sql`
        update orders.saga set deadline_at = now() + ${by}::interval, due_at = now() + interval '1 hour'
        where subject = ${orderId}::uuid`);
    const found = await planted(
      () => move('-10 minutes'),
      () => move('1 hour'),
    );
    expect(found).toEqual([
      {
        invariant: 'I4',
        subject: `order ${orderId}`,
        detail: 'saga place-order is running past its deadline',
      },
    ]);
  });

  it('I4: names an order left to await payment', async () => {
    const orderId = await place();
    const found = await planted(
      () =>
        run(
          sql`update orders.order_view set created_at = now() - interval '1 hour' where id = ${orderId}::uuid`,
        ),
      () => run(sql`update orders.order_view set created_at = now() where id = ${orderId}::uuid`),
    );
    expect(found).toMatchObject([{ invariant: 'I4', subject: `order ${orderId}` }]);
  });

  it('I6: names a log with a gap', async () => {
    const orderId = await place('tok_ok');
    const found = await planted(
      () => run(sql`update orders.event set version = 3 where stream = ${orderId}::uuid and version = 2`),
      () => run(sql`update orders.event set version = 2 where stream = ${orderId}::uuid and version = 3`),
    );
    expect(found.map(({ invariant, detail }) => `${invariant} ${detail}`)).toEqual([
      'I6 its log has 2 events with versions from 1 to 3',
      'I6 its read model stands at version 2, its log at 3',
    ]);
  });

  it('I6: names a read model that is behind, missing, or made up', async () => {
    const orderId = await place();
    const behind = await planted(
      () => run(sql`update orders.order_view set version = 1 where id = ${orderId}::uuid`),
      () => run(sql`update orders.order_view set version = 2 where id = ${orderId}::uuid`),
    );
    expect(behind).toMatchObject([
      { invariant: 'I6', detail: 'its read model stands at version 1, its log at 2' },
    ]);
    const rename = (from: string, to: string) => () =>
      run(sql`update orders.order_view set id = ${to}::uuid where id = ${from}::uuid`);
    const elsewhere = '0192aaaa-0000-7000-8000-00000000ffff';
    const moved = await planted(rename(orderId, elsewhere), rename(elsewhere, orderId));
    expect(moved).toEqual([
      { invariant: 'I6', subject: `order ${orderId}`, detail: 'its read model is missing, its log at 2' },
      { invariant: 'I6', subject: `order ${elsewhere}`, detail: 'its read model has no events' },
    ]);
  });
});
