import { sql } from 'drizzle-orm';
import { uuidv7 } from 'uuidv7';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AppError, isAppError } from '#platform/errors';
import type { Api } from '#platform/rpc/contract';
import { startShop, type TestShop } from '#platform/testing/shop';
import { loadProducts } from './catalogue-store.ts';
import { MAX_LINES, productContract } from './contract.ts';
import { productModule } from './module.ts';
import { expireReservations, releaseStock } from './release-stock.ts';
import { reserveStock } from './reserve-stock.ts';
import { counting, deliverAllPaid, deliverPaid, paidEvent, shelve, unheard } from './testing-catalogue.ts';

const HOUR_MS = 3_600_000;

let shop: TestShop;
let product: Api<typeof productContract>;
let staff: string;
let counter = 0;

beforeAll(async () => {
  shop = await startShop({ modules: [productModule] });
  product = shop.api(productContract);
  staff = (await shop.signUp('staff')).token;
});

afterAll(() => shop.stop());

/** A product of its own with this many pieces of each of its variants. */
async function shelf(...onHand: number[]) {
  counter += 1;
  const skus = onHand.map((_, index) => `shelf-${counter}-${index}`);
  const id = await shelve(
    shop.database('product'),
    Object.fromEntries(skus.map((sku, index) => [sku, onHand[index]!])),
  );
  return { id, skus };
}

function reserve(orderId: string, lines: { sku: string; quantity: number }[], pinned = true) {
  return product.reserve({ orderId, lines, pinned, expiresInMs: HOUR_MS });
}

async function stockOf(productId: string) {
  const [stored] = await loadProducts(shop.database('product'), [productId]);
  return stored!.product.variants.map(({ stock }) => [stock.onHand, stock.reserved]);
}

async function isInStock(productId: string): Promise<boolean> {
  const { body } = await shop.request('GET', `/products?inStock=true&ids=${productId}`);
  return body.data.length === 1;
}

/** Moves the order's expiry into the past, by the database's own clock. */
async function letTimePass(orderId: string): Promise<void> {
  await shop.database('product').rows(sql`
    update products.reservation set expires_at = now() - interval '1 second' where order_id = ${orderId}::uuid`);
}

/** The expected failure in which `work` ends. */
async function failure(work: Promise<unknown>): Promise<AppError> {
  const error = await work.then(
    () => 'it succeeded',
    (thrown: unknown) => thrown,
  );
  if (isAppError(error)) return error;
  throw new Error('expected a failure that the contract declares', { cause: error });
}

describe('quote', () => {
  it('answers a line per sku in the order asked, with names and prices', async () => {
    const variants = ['q-1', 'q-2'].map((sku, index) => ({
      sku,
      prices: [{ amount: index, currency: 'GBP' }],
    }));
    await shop.request('POST', '/products', { token: staff, body: { name: 'Quoted', variants } });
    const { lines } = await product.quote({ skus: ['q-2', 'q-1', 'q-2'], currency: 'GBP' });
    const line = (sku: string, amount: number) => ({
      sku,
      name: 'Quoted',
      unitPrice: { amount, currency: 'GBP' },
    });
    expect(lines).toEqual([line('q-2', 1), line('q-1', 0), line('q-2', 1)]);
  });

  it('names the skus that are unknown, or archived, or have no price in the currency', async () => {
    const unknown = await failure(
      product.quote({ skus: ['q-1', 'nothing', 'Q-1', 'nothing'], currency: 'GBP' }),
    );
    expect([unknown.code, unknown.extra.skus]).toEqual(['unknown_sku', ['nothing', 'Q-1']]);
    const unpriced = await failure(product.quote({ skus: ['q-1', 'q-2'], currency: 'EUR' }));
    expect([unpriced.code, unpriced.extra.skus]).toEqual(['no_price', ['q-1', 'q-2']]);
    const { id, skus } = await shelf(1);
    await shop.request('DELETE', `/products/${id}`, { token: staff });
    const archived = await failure(product.quote({ skus, currency: 'GBP' }));
    expect([archived.code, archived.extra.skus]).toEqual(['unknown_sku', skus]);
  });
});

describe('productsBySku', () => {
  it('answers each product once, archived ones too, and leaves unknown skus out', async () => {
    const { id, skus } = await shelf(1, 2);
    await shop.request('DELETE', `/products/${id}`, { token: staff });
    const { products } = await product.productsBySku({ skus: [...skus, 'nothing'] });
    expect(products.map((found) => [found.id, found.status])).toEqual([[id, 'archived']]);
  });
});

describe('reserve', () => {
  it('reserves all lines of an order, once', async () => {
    const { id, skus } = await shelf(5, 5);
    const orderId = uuidv7();
    const lines = skus.map((sku) => ({ sku, quantity: 2 }));
    await reserve(orderId, lines);
    await reserve(orderId, lines);
    expect(await stockOf(id)).toEqual([
      [5, 2],
      [5, 2],
    ]);
  });

  it('reserves nothing when one line is short, and tells which and what there is', async () => {
    const { id, skus } = await shelf(5, 1);
    const lines = skus.map((sku) => ({ sku, quantity: 2 }));
    const short = await failure(reserve(uuidv7(), lines));
    expect(short.code).toBe('insufficient_stock');
    expect(short.extra.items).toEqual([{ sku: skus[1], requested: 2, available: 1 }]);
    expect(await stockOf(id)).toEqual([
      [5, 0],
      [1, 0],
    ]);
  });

  it('adds up lines of the same sku before it looks', async () => {
    const { id, skus } = await shelf(3);
    const line = { sku: skus[0]!, quantity: 2 };
    const short = await failure(reserve(uuidv7(), [line, line]));
    expect(short.extra.items).toEqual([{ sku: skus[0], requested: 4, available: 3 }]);
    expect(await stockOf(id)).toEqual([[3, 0]]);
  });

  it('may be asked again after a refusal', async () => {
    const { id, skus } = await shelf(1);
    const orderId = uuidv7();
    const lines = [{ sku: skus[0]!, quantity: 2 }];
    await failure(reserve(orderId, lines));
    await shop.request('POST', `/products/${id}/variants/${skus[0]}/stock`, {
      token: staff,
      body: { delta: 1, reason: 'delivery' },
    });
    await reserve(orderId, lines);
    expect(await stockOf(id)).toEqual([[2, 2]]);
  });

  it('refuses unknown and archived skus, whatever else the order holds', async () => {
    const { id, skus } = await shelf(5);
    const archived = await shelf(5);
    await shop.request('DELETE', `/products/${archived.id}`, { token: staff });
    const lines = [skus[0]!, archived.skus[0]!, 'nothing'].map((sku) => ({ sku, quantity: 1 }));
    const unknown = await failure(reserve(uuidv7(), lines));
    expect(unknown.code).toBe('unknown_sku');
    expect(new Set(unknown.extra.skus as string[])).toEqual(new Set([archived.skus[0], 'nothing']));
    expect(await stockOf(id)).toEqual([[5, 0]]);
  });

  it('reserves 2,000 lines, sells them and takes them back in as many statements as two', async () => {
    const skus = Array.from({ length: MAX_LINES }, (_, index) => `bulk-${index}`);
    for (let at = 0; at < MAX_LINES; at += 100) {
      const part = skus.slice(at, at + 100);
      await shelve(shop.database('product'), Object.fromEntries(part.map((sku) => [sku, 1])));
    }
    const database = counting(shop.database('product'));
    async function statementsFor(lines: { sku: string; quantity: number }[]): Promise<number[]> {
      const orderId = uuidv7();
      const counts: number[] = [];
      for (const step of [
        () => reserveStock(database, unheard, [{ orderId, lines, pinned: true, expiresInMs: HOUR_MS }]),
        () => deliverPaid(database, orderId),
        () => releaseStock(database, unheard, orderId),
      ]) {
        database.statements.count = 0;
        await step();
        counts.push(database.statements.count);
      }
      return counts;
    }
    const all = skus.map((sku) => ({ sku, quantity: 1 }));
    const many = await statementsFor(all);
    const few = await statementsFor(all.slice(0, 2));
    expect(many).toEqual(few);
    expect(Math.max(...many)).toBeLessThanOrEqual(6);
  });

  it('sells exactly what there is to a crowd', async () => {
    const { id, skus } = await shelf(10);
    const tries = Array.from({ length: 40 }, () => reserve(uuidv7(), [{ sku: skus[0]!, quantity: 1 }]));
    const outcomes = await Promise.allSettled(tries);
    expect(outcomes.filter((outcome) => outcome.status === 'fulfilled')).toHaveLength(10);
    expect(await stockOf(id)).toEqual([[10, 10]]);
  });
});

describe('the end of a reservation', () => {
  it('becomes a sale with a ledger entry when the order is paid, however often that is told', async () => {
    const { id, skus } = await shelf(5);
    const orderId = uuidv7();
    await reserve(orderId, [{ sku: skus[0]!, quantity: 2 }]);
    const eventId = uuidv7();
    await deliverPaid(shop.database('product'), orderId, eventId);
    await deliverPaid(shop.database('product'), orderId, eventId);
    await deliverPaid(shop.database('product'), orderId);
    expect(await stockOf(id)).toEqual([[3, 0]]);
    const ledger = await shop.request('GET', `/products/${id}/variants/${skus[0]}/stock`, { token: staff });
    expect(ledger.body.data).toMatchObject([{ delta: -2, reason: 'sale', orderId, onHand: 3 }]);
    expect(ledger.body.data[0].id).toMatch(
      /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
    );
  });

  it('becomes a sale together with others, and the ledger tells what each left on the shelf', async () => {
    const { id, skus } = await shelf(9, 9);
    const orders = [uuidv7(), uuidv7(), uuidv7()].sort();
    const quantities = [
      [1, 2],
      [3, 0],
      [2, 4],
    ];
    for (const [index, orderId] of orders.entries()) {
      const lines = quantities[index]!.map((quantity, variant) => ({ sku: skus[variant]!, quantity }));
      await reserve(
        orderId,
        lines.filter((line) => line.quantity > 0),
      );
    }
    const cancelled = uuidv7();
    await reserve(cancelled, [{ sku: skus[0]!, quantity: 1 }]);
    await product.release({ orderId: cancelled });
    const events = [...orders.toReversed(), cancelled, uuidv7()].map((orderId) => paidEvent(orderId));
    // Another event tells again that an order was paid.
    await deliverAllPaid(shop.database('product'), [...events, paidEvent(orders[1]!)]);
    await deliverAllPaid(shop.database('product'), events);
    expect(await stockOf(id)).toEqual([
      [3, 0],
      [3, 0],
    ]);
    for (const [variant, sku] of skus.entries()) {
      const ledger = await shop.request('GET', `/products/${id}/variants/${sku}/stock`, { token: staff });
      let onHand = 9;
      const entries = orders.flatMap((orderId, index) => {
        const quantity = quantities[index]![variant]!;
        onHand -= quantity;
        return quantity === 0 ? [] : [{ delta: -quantity, reason: 'sale', orderId, onHand }];
      });
      expect(ledger.body.data).toMatchObject(entries.toReversed());
    }
  });

  it('is given back once when it is released, and a late payment then sells nothing', async () => {
    const { id, skus } = await shelf(5);
    const orderId = uuidv7();
    await reserve(orderId, [{ sku: skus[0]!, quantity: 2 }]);
    await product.release({ orderId });
    await product.release({ orderId });
    await deliverPaid(shop.database('product'), orderId);
    expect(await stockOf(id)).toEqual([[5, 0]]);
  });

  it('returns sold pieces to the shelf once, with a ledger entry', async () => {
    const { id, skus } = await shelf(2);
    const orderId = uuidv7();
    await reserve(orderId, [{ sku: skus[0]!, quantity: 2 }]);
    await deliverPaid(shop.database('product'), orderId);
    expect(await isInStock(id)).toBe(false);
    await product.release({ orderId });
    await product.release({ orderId });
    expect(await stockOf(id)).toEqual([[2, 0]]);
    expect(await isInStock(id)).toBe(true);
    const ledger = await shop.request('GET', `/products/${id}/variants/${skus[0]}/stock`, { token: staff });
    expect(ledger.body.data).toMatchObject([
      { delta: 2, reason: 'return', orderId, onHand: 2 },
      { delta: -2, reason: 'sale', orderId, onHand: 0 },
    ]);
  });

  it('refuses to reserve for an order that was released before it was seen', async () => {
    const { id, skus } = await shelf(5);
    const orderId = uuidv7();
    await product.release({ orderId });
    expect((await failure(reserve(orderId, [{ sku: skus[0]!, quantity: 1 }]))).code).toBe(
      'reservation_closed',
    );
    expect(await stockOf(id)).toEqual([[5, 0]]);
  });

  it('comes with its time, unless it is pinned', async () => {
    const { id, skus } = await shelf(5);
    const [open, pinned] = [uuidv7(), uuidv7()];
    await reserve(open, [{ sku: skus[0]!, quantity: 1 }], false);
    await reserve(pinned, [{ sku: skus[0]!, quantity: 2 }], false);
    await product.pin({ orderId: pinned, by: uuidv7() });
    await letTimePass(open);
    await letTimePass(pinned);
    expect(await expireReservations(shop.database('product'), unheard)).toBe(1);
    expect(await stockOf(id)).toEqual([[5, 2]]);
    expect((await failure(product.pin({ orderId: open, by: uuidv7() }))).code).toBe('reservation_closed');
    expect((await failure(reserve(open, [{ sku: skus[0]!, quantity: 1 }]))).code).toBe('reservation_closed');
    await product.release({ orderId: open });
    expect(await stockOf(id)).toEqual([[5, 2]]);
  });

  it('comes again after an unpin, not before its new time', async () => {
    const { id, skus } = await shelf(1);
    const [orderId, by] = [uuidv7(), uuidv7()];
    await reserve(orderId, [{ sku: skus[0]!, quantity: 1 }], false);
    await product.pin({ orderId, by });
    await product.unpin({ orderId, by, expiresInMs: HOUR_MS });
    await expireReservations(shop.database('product'), unheard);
    expect(await stockOf(id)).toEqual([[1, 1]]);
    await letTimePass(orderId);
    await expireReservations(shop.database('product'), unheard);
    expect(await stockOf(id)).toEqual([[1, 0]]);
    expect(await isInStock(id)).toBe(true);
  });

  it('does not come under a payment that pinned it after another one, however late that one unpins it', async () => {
    const { id, skus } = await shelf(1);
    const [orderId, declined, paying] = [uuidv7(), uuidv7(), uuidv7()];
    await reserve(orderId, [{ sku: skus[0]!, quantity: 1 }], false);
    await product.pin({ orderId, by: declined });
    await product.pin({ orderId, by: paying });
    await product.unpin({ orderId, by: declined, expiresInMs: HOUR_MS });
    await letTimePass(orderId);
    expect(await expireReservations(shop.database('product'), unheard)).toBe(0);
    expect(await stockOf(id)).toEqual([[1, 1]]);
  });

  it('comes for more reservations than one batch closes', async () => {
    const { id, skus } = await shelf(150);
    const orderIds = Array.from({ length: 150 }, () => uuidv7());
    await Promise.all(orderIds.map((orderId) => reserve(orderId, [{ sku: skus[0]!, quantity: 1 }], false)));
    await Promise.all(orderIds.map(letTimePass));
    expect(await expireReservations(shop.database('product'), unheard)).toBe(150);
    expect(await stockOf(id)).toEqual([[150, 0]]);
  });

  it('does not need a pin once sold, and an order without one cannot be pinned', async () => {
    const { skus } = await shelf(1);
    const orderId = uuidv7();
    expect((await failure(product.pin({ orderId, by: uuidv7() }))).code).toBe('reservation_closed');
    await reserve(orderId, [{ sku: skus[0]!, quantity: 1 }]);
    await deliverPaid(shop.database('product'), orderId);
    await product.pin({ orderId, by: uuidv7() });
    await product.unpin({ orderId, by: uuidv7(), expiresInMs: 1 });
  });
});

describe('a product with several variants', () => {
  it('is in stock while any of them is available', async () => {
    const { id, skus } = await shelf(1, 1);
    const [first, second] = [uuidv7(), uuidv7()];
    await reserve(first, [{ sku: skus[0]!, quantity: 1 }]);
    expect(await isInStock(id)).toBe(true);
    await reserve(second, [{ sku: skus[1]!, quantity: 1 }]);
    expect(await isInStock(id)).toBe(false);
    await product.release({ orderId: first });
    expect(await isInStock(id)).toBe(true);
  });
});
