import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Idempotency } from '#platform/http/idempotency';
import type { AnyModule } from '#platform/module';
import { startShop, type TestShop } from '#platform/testing/shop';
import { createFakeNeeds } from './fake-needs.ts';
import { orderModule } from './module.ts';

const needs = createFakeNeeds();
let endingsToLose = 0;
let shop: TestShop;
let customer: { userId: string; token: string };
let keys = 0;

/** The module, with ending transactions that fail as long as `endingsToLose` says: they roll back as in a crash. */
const fragileModule: AnyModule = {
  ...orderModule,
  create(context) {
    const complete: Idempotency['complete'] = async (...parts) => {
      await context.idempotency.complete(...parts);
      if (endingsToLose-- > 0) throw new Error('died before the commit');
    };
    return orderModule.create({ ...context, idempotency: { ...context.idempotency, complete } });
  },
};

beforeAll(async () => {
  const fakes = { product: needs.product, payment: needs.payment, user: needs.user };
  shop = await startShop({ modules: [fragileModule], fakes });
  customer = await shop.signUp();
});

afterAll(() => shop.stop());

beforeEach(() => {
  needs.interrupt = () => {};
  needs.charges.clear();
  needs.stock.set('MUG', 100);
  endingsToLose = 0;
});

function place(key: string, card?: string, prefer = 'wait=0') {
  return shop.request('POST', '/orders', {
    token: customer.token,
    body: {
      items: [{ sku: 'MUG', quantity: 2 }],
      currency: 'GBP',
      ...(card && { payment: { method: 'card', token: card } }),
    },
    headers: { 'idempotency-key': key, prefer },
  });
}

function pay(orderId: string, key: string, card: string, prefer = 'wait=0') {
  return shop.request('POST', `/orders/${orderId}/payment`, {
    token: customer.token,
    body: { method: 'card', token: card },
    headers: { 'idempotency-key': key, prefer },
  });
}

/** Fails the named call once, before or after its effect. */
function loseOnce(lost: string, when: 'before' | 'after'): void {
  let left = 1;
  needs.interrupt = (call, moment) => {
    if (call === lost && moment === when && left-- > 0) throw new Error(`${call} was lost`);
  };
}

async function typesOf(orderId: string): Promise<string[]> {
  const rows = await shop.database('order').rows<{ type: string }>(sql`
    select type from orders.event where stream = ${orderId}::uuid order by version`);
  return rows.map((row) => row.type.replace('order.', ''));
}

const moments = [
  ['product.reserve', 'before'],
  ['product.reserve', 'after'],
  ['payment.charge', 'before'],
  ['payment.charge', 'after'],
] as const;

describe('an order whose placing was interrupted', () => {
  it.each(moments)('at %s, %s its effect, is paid once by the sweeper', async (call, when) => {
    loseOnce(call, when);
    const key = `key-${++keys}`;
    const open = await place(key, 'tok_ok');
    expect(open.status).toBe(202);
    await shop.settled();
    expect(await typesOf(open.body.id)).toEqual(['created', 'paid']);
    expect(needs.charges.size).toBe(1);
    expect(needs.stock.get('MUG')).toBe(98);
    expect(await place(key, 'tok_ok')).toMatchObject({
      status: 201,
      body: { id: open.body.id, status: 'paid' },
    });
  });

  it('in its last transaction is paid once, and its answer stored with it', async () => {
    endingsToLose = 1;
    const key = `key-${++keys}`;
    const open = await place(key, 'tok_ok');
    await shop.settled();
    expect(endingsToLose).toBeLessThan(0);
    expect(await typesOf(open.body.id)).toEqual(['created', 'paid']);
    expect(needs.charges.size).toBe(1);
    const again = await place(key, 'tok_ok');
    expect(again).toMatchObject({ status: 201, body: { status: 'paid', version: 2 } });
    expect(again.headers.get('idempotency-replayed')).toBe('true');
  });

  it.each(['before', 'after'] as const)(
    'while it is undone, %s the release, is undone once',
    async (when) => {
      loseOnce('product.release', when);
      const key = `key-${++keys}`;
      const open = await place(key, 'tok_declined');
      await shop.settled();
      expect(await typesOf(open.body.id)).toEqual(['created', 'cancelled']);
      expect(needs.stock.get('MUG')).toBe(100);
      expect(await place(key, 'tok_declined')).toMatchObject({
        status: 402,
        body: { code: 'payment_declined', orderId: open.body.id },
      });
    },
  );

  it('after its charge, and given up while product is away, has its money given back', async () => {
    endingsToLose = 1;
    let calls = 0;
    needs.interrupt = async (call, when) => {
      if (call !== 'product.reserve' || when === 'after' || ++calls === 1) return;
      await shop
        .database('order')
        .rows(sql`update orders.saga set deadline_at = now() where state <> 'done'`);
      throw new Error('product is away');
    };
    const open = await place(`key-${++keys}`, 'tok_ok');
    await shop.settled();
    expect(needs.charges.size).toBe(1);
    expect(await typesOf(open.body.id)).toEqual(['created', 'cancelled', 'refunded']);
  });

  it('is finished by the repeat of its request, which need not wait for the sweeper', async () => {
    loseOnce('payment.charge', 'after');
    const key = `key-${++keys}`;
    const open = await place(key, 'tok_ok');
    const taken = await place(key, 'tok_ok', 'wait=20');
    expect(taken).toMatchObject({ status: 201, body: { id: open.body.id, status: 'paid' } });
    expect(needs.charges.size).toBe(1);
  });
});

describe('an order whose payment was interrupted', () => {
  it.each([
    ['product.pin', 'before'],
    ['product.pin', 'after'],
    ['payment.charge', 'before'],
    ['payment.charge', 'after'],
  ] as const)('at %s, %s its effect, is paid once by the sweeper', async (call, when) => {
    const { body } = await place(`key-${++keys}`, undefined, 'wait=20');
    loseOnce(call, when);
    const key = `key-${++keys}`;
    expect((await pay(body.id, key, 'tok_ok')).status).toBe(202);
    await shop.settled();
    expect(await typesOf(body.id)).toEqual(['created', 'awaiting_payment', 'paid']);
    expect(needs.charges.size).toBe(1);
    expect(await pay(body.id, key, 'tok_ok')).toMatchObject({ status: 200, body: { status: 'paid' } });
  });

  it('while a declined one is undone still awaits payment', async () => {
    const { body } = await place(`key-${++keys}`, undefined, 'wait=20');
    loseOnce('product.unpin', 'after');
    const key = `key-${++keys}`;
    await pay(body.id, key, 'tok_declined');
    await shop.settled();
    expect(await typesOf(body.id)).toEqual(['created', 'awaiting_payment']);
    expect(await pay(body.id, key, 'tok_declined')).toMatchObject({ status: 402 });
    expect(await pay(body.id, `key-${++keys}`, 'tok_ok', 'wait=20')).toMatchObject({ status: 200 });
  });
});

describe('an interrupted cancellation', () => {
  it.each([
    ['payment.reverse', 'before'],
    ['payment.reverse', 'after'],
    ['product.release', 'before'],
    ['product.release', 'after'],
  ] as const)('at %s, %s its effect, gives all back once', async (call, when) => {
    const { body } = await place(`key-${++keys}`, 'tok_ok', 'wait=20');
    loseOnce(call, when);
    const cancelled = await shop.request('POST', `/orders/${body.id}/cancel`, {
      token: customer.token,
      body: { reason: 'no' },
    });
    expect(cancelled).toMatchObject({ status: 200, body: { status: 'cancelled' } });
    await shop.settled();
    expect(await typesOf(body.id)).toEqual(['created', 'paid', 'cancelled', 'refunded']);
    expect(needs.stock.get('MUG')).toBe(100);
  });

  it('has no deadline: it goes on where an order being placed would be given up', async () => {
    const { body } = await place(`key-${++keys}`, 'tok_ok', 'wait=20');
    let left = 2;
    needs.interrupt = async (call, when) => {
      if (call !== 'payment.reverse' || when === 'after' || left-- <= 0) return;
      await shop.database('order').rows(sql`
        update orders.saga set deadline_at = now() - interval '1 day' where subject = ${body.id}::uuid`);
      throw new Error('payment is away');
    };
    await shop.request('POST', `/orders/${body.id}/cancel`, {
      token: customer.token,
      body: { reason: 'no' },
    });
    await shop.settled();
    expect(await typesOf(body.id)).toEqual(['created', 'paid', 'cancelled', 'refunded']);
    expect(needs.stock.get('MUG')).toBe(100);
  });
});
