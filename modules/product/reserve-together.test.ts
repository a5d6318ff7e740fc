import { sql } from 'drizzle-orm';
import { uuidv7 } from 'uuidv7';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Finding } from '#platform/audit';
import type { Database } from '#platform/database/database';
import type { Engine } from '#platform/database/engine';
import { openModuleDatabase, testEngine } from '#platform/testing/database';
import { auditStock } from './audit.ts';
import { RESERVE_LANES } from './limits.ts';
import { expireReservations, releaseStock } from './release-stock.ts';
import { createReserve, reserveStock, type StockRequest } from './reserve-stock.ts';
import { counting, deliverAllPaid, paidEvent, shelve, unheard } from './testing-catalogue.ts';

const HOUR_MS = 3_600_000;

let engine: Engine;
let database: Database;

beforeAll(async () => {
  ({ engine, database } = await openModuleDatabase('product', 'products'));
});

afterAll(() => engine.close());

function request(lines: Readonly<Record<string, number>>, orderId = uuidv7()): StockRequest {
  const asked = Object.entries(lines).map(([sku, quantity]) => ({ sku, quantity }));
  return { orderId, lines: asked, pinned: true, expiresInMs: HOUR_MS };
}

async function stockOf(sku: string): Promise<number[]> {
  const rows = await database.rows<{ onHand: number; reserved: number }>(sql`
    select s.on_hand as "onHand", s.reserved
    from products.stock s join products.variant v on v.id = s.variant_id where v.sku = ${sku}`);
  return rows.flatMap(({ onHand, reserved }) => [onHand, reserved]);
}

async function stateOf(orderId: string): Promise<string | undefined> {
  const rows = await database.rows<{ state: string }>(sql`
    select state from products.reservation where order_id = ${orderId}::uuid`);
  return rows[0]?.state;
}

async function reserve(requests: readonly StockRequest[]): Promise<(string | undefined)[]> {
  const refusals = await reserveStock(database, unheard, requests);
  return refusals.map((refusal) => refusal?.code);
}

describe('orders that are reserved for together', () => {
  it('each get all they ask for or nothing, the first come first', async () => {
    const [a, b] = [uuidv7(), uuidv7()];
    await shelve(database, { [a]: 4, [b]: 1 });
    const requests = [request({ [a]: 3 }), request({ [a]: 1, [b]: 2 }), request({ [a]: 1, [b]: 1 })];
    expect(await reserve(requests)).toEqual([undefined, 'insufficient_stock', undefined]);
    expect([await stockOf(a), await stockOf(b)]).toEqual([
      [4, 4],
      [1, 1],
    ]);
  });

  it('leave nothing behind when they are refused, and may ask again', async () => {
    const sku = uuidv7();
    await shelve(database, { [sku]: 1 });
    const refused = [request({ [sku]: 2 }), request({ nothing: 1 })];
    const codes = await reserve([...refused, request({ [sku]: 1 })]);
    expect(codes).toEqual(['insufficient_stock', 'unknown_sku', undefined]);
    for (const { orderId } of refused) expect(await stateOf(orderId)).toBeUndefined();
    expect(await reserve([request({ [sku]: 1 }), refused[1]!])).toEqual([
      'insufficient_stock',
      'unknown_sku',
    ]);
    expect(await stockOf(sku)).toEqual([1, 1]);
  });

  // One session has no one to wait for.
  it.runIf(testEngine === 'postgres')('do not all wait for a sku that somebody holds', async () => {
    const [held, free] = [uuidv7(), uuidv7()];
    await shelve(database, { [held]: RESERVE_LANES, [free]: 1 });
    const locked = Promise.withResolvers<void>();
    const go = Promise.withResolvers<void>();
    const holder = database.transaction(async (tx) => {
      await tx.rows(sql`
        select from products.stock where variant_id = (select id from products.variant where sku = ${held}) for update`);
      locked.resolve();
      await go.promise;
    });
    await locked.promise;
    const ask = createReserve(database, unheard);
    // Each in a transaction of its own, in every lane there is.
    const waiting: Promise<void>[] = [];
    for (let lane = 0; lane < RESERVE_LANES; lane += 1) {
      waiting.push(ask(request({ [held]: 1 })));
      await new Promise(setImmediate);
    }
    // It is answered although the other's lock is not given before that.
    await ask(request({ [free]: 1 }));
    go.resolve();
    await Promise.all([holder, ...waiting]);
    expect([await stockOf(held), await stockOf(free)]).toEqual([
      [RESERVE_LANES, RESERVE_LANES],
      [1, 1],
    ]);
  });

  it('are told what they were told before', async () => {
    const sku = uuidv7();
    await shelve(database, { [sku]: 9 });
    const [open, sold, released] = [request({ [sku]: 1 }), request({ [sku]: 1 }), request({ [sku]: 1 })];
    await reserve([open, sold, released]);
    await deliverAllPaid(database, [paidEvent(sold.orderId)]);
    await releaseStock(database, unheard, released.orderId);
    const capitals = { ...open, orderId: open.orderId.toUpperCase() };
    const again = await reserve([released, capitals, request({ [sku]: 1 }), sold]);
    expect(again).toEqual(['reservation_closed', undefined, undefined, undefined]);
    expect(await stockOf(sku)).toEqual([8, 2]);
  });

  it('count as one when they are one, in whatever letters', async () => {
    const sku = uuidv7();
    await shelve(database, { [sku]: 3 });
    const order = request({ [sku]: 2 });
    const codes = await reserve([order, { ...order, orderId: order.orderId.toUpperCase() }, order]);
    expect(codes).toEqual([undefined, undefined, undefined]);
    expect(await stockOf(sku)).toEqual([3, 2]);
  });

  it('keep each its own pin and time', async () => {
    const sku = uuidv7();
    await shelve(database, { [sku]: 9 });
    const pinned = { ...request({ [sku]: 1 }), expiresInMs: -1 };
    const passing = { ...request({ [sku]: 2 }), pinned: false, expiresInMs: -1 };
    const lasting = { ...request({ [sku]: 3 }), pinned: false };
    await reserve([pinned, passing, lasting]);
    await expireReservations(database, unheard);
    expect(await stockOf(sku)).toEqual([9, 4]);
    expect(await stateOf(passing.orderId)).toBe('expired');
  });

  it('take no more statements than one', async () => {
    const sku = uuidv7();
    await shelve(database, { [sku]: 90 });
    const counted = counting(database);
    const statementsFor = async (orders: number) => {
      counted.statements.count = 0;
      const requests = Array.from({ length: orders }, () => request({ [sku]: 1 }));
      await reserveStock(counted, unheard, requests);
      return counted.statements.count;
    };
    expect(await statementsFor(1)).toBe(3);
    expect(await statementsFor(50)).toBe(3);
  });

  it('show that a product is sold out', async () => {
    const sku = uuidv7();
    const productId = await shelve(database, { [sku]: 2 });
    await reserve([request({ [sku]: 1 }), request({ [sku]: 1 }), request({ [sku]: 1 })]);
    const rows = await database.rows(sql`
      select in_stock as "inStock" from products.product where id = ${productId}::uuid`);
    expect(rows).toEqual([{ inStock: false }]);
  });
});

describe('two processes that reserve the same skus', () => {
  it('sell what there is and no more, and do not wait for each other in a circle', async () => {
    const skus = Array.from({ length: 12 }, () => uuidv7());
    await shelve(database, Object.fromEntries(skus.map((sku) => [sku, 60])));
    // Each order wants two skus or three, and names them in an order of its own.
    const requests = Array.from({ length: 480 }, (_, index) => {
      const wanted = [0, 1, 2].map((step) => skus[(index * 5 + step * (index % 2 ? 1 : 11)) % 12]!);
      return request(Object.fromEntries(wanted.slice(index % 2).map((sku) => [sku, 1 + (index % 3)])));
    });
    const batches = Array.from({ length: 80 }, (_, batch) => requests.slice(batch * 6, batch * 6 + 6));
    const codes: (string | undefined)[] = [];
    const reserved: string[] = [];
    async function work(mine: readonly StockRequest[][]): Promise<void> {
      for (const [index, batch] of mine.entries()) {
        const answers = await reserve(batch);
        codes.push(...answers);
        reserved.push(
          ...batch.filter((_, place) => answers[place] === undefined).map((each) => each.orderId),
        );
        if (index % 4 === 1)
          await deliverAllPaid(
            database,
            batch.map(({ orderId }) => paidEvent(orderId)),
          );
        if (index % 4 === 3) await releaseStock(database, unheard, batch[0]!.orderId);
      }
    }
    // Every other order is sent to both, in another order: who comes second gets it confirmed.
    const shared = batches.filter((_, index) => index % 2 === 0).map((batch) => batch.toReversed());
    await Promise.all([work(batches), work(shared.toReversed()), work(shared)]);
    expect(new Set(codes)).toEqual(new Set([undefined, 'insufficient_stock', 'reservation_closed']));
    for (const sku of skus) {
      const [onHand, held] = await stockOf(sku);
      expect(held).toBeLessThanOrEqual(onHand!);
    }
    for (const orderId of reserved) expect(await stateOf(orderId)).toBeDefined();
    const findings: Finding[] = [];
    for (const check of auditStock(database)) for await (const finding of check()) findings.push(finding);
    expect(findings).toEqual([]);
  });
});

it('gathers what is asked for at one time, and refuses who is to be refused', async () => {
  const sku = uuidv7();
  await shelve(database, { [sku]: 10 });
  const counted = counting(database);
  const ask = createReserve(counted, unheard);
  const outcomes = await Promise.allSettled(Array.from({ length: 40 }, () => ask(request({ [sku]: 1 }))));
  expect(outcomes.map(({ status }) => status)).toEqual([
    ...Array.from({ length: 10 }, () => 'fulfilled'),
    ...Array.from({ length: 30 }, () => 'rejected'),
  ]);
  expect(outcomes.at(-1)).toMatchObject({ reason: { code: 'insufficient_stock' } });
  expect(await stockOf(sku)).toEqual([10, 10]);
  expect(counted.statements.count).toBeLessThan(20);
});
