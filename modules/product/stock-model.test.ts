import { sql } from 'drizzle-orm';
import fc from 'fast-check';
import { uuidv7 } from 'uuidv7';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Finding } from '#platform/audit';
import type { Database } from '#platform/database/database';
import type { Engine } from '#platform/database/engine';
import { isAppError } from '#platform/errors';
import { openModuleDatabase } from '#platform/testing/database';
import { adjustStock } from './adjust-stock.ts';
import { auditStock } from './audit.ts';
import { expireReservations, releaseStock } from './release-stock.ts';
import { pinReservation, reserveStock, unpinReservation } from './reserve-stock.ts';
import { deliverPaid, shelve, unheard } from './testing-catalogue.ts';

const VARIANTS = 3;
const ORDERS = 6;

let engine: Engine;
let database: Database;

beforeAll(async () => {
  ({ engine, database } = await openModuleDatabase('product', 'products'));
});

afterAll(() => engine.close());

const PAYMENTS = [uuidv7(), uuidv7()];

type Command =
  | {
      readonly do: 'reserve';
      readonly order: number;
      readonly quantities: number[];
      readonly pinned: boolean;
    }
  | { readonly do: 'pin' | 'unpin'; readonly order: number; readonly by: string }
  | { readonly do: 'release' | 'pay'; readonly order: number }
  | { readonly do: 'expire' }
  | { readonly do: 'adjust'; readonly variant: number; readonly delta: number };

const order = fc.nat(ORDERS - 1);
const commands: fc.Arbitrary<Command[]> = fc.array(
  fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constant('reserve' as const),
        order,
        quantities: fc.array(fc.nat(4), { minLength: VARIANTS, maxLength: VARIANTS }),
        pinned: fc.boolean(),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ do: fc.constantFrom('pin', 'unpin'), order, by: fc.constantFrom(...PAYMENTS) }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('release', 'pay'), order }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('expire' as const) }) },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant('adjust' as const),
        variant: fc.nat(VARIANTS - 1),
        delta: fc.integer({ min: -5, max: 5 }).filter((delta) => delta !== 0),
      }),
    },
  ),
  { minLength: 5, maxLength: 30 },
);

/** The rules of stock in their plainest form; every expiry is taken to have passed. */
function createModel(onHand: number[]) {
  const stock = onHand.map((pieces) => ({ onHand: pieces, reserved: 0 }));
  const orders = new Map<number, { state: string; pinnedBy: string | null; quantities: number[] }>();

  function move(quantities: number[], onHandSign: number, reservedSign: number): void {
    stock.forEach((counters, variant) => {
      counters.onHand += onHandSign * quantities[variant]!;
      counters.reserved += reservedSign * quantities[variant]!;
    });
  }

  function apply(command: Command): string {
    if (command.do === 'expire') {
      for (const held of orders.values()) {
        if (held.state !== 'open' || held.pinnedBy !== null) continue;
        held.state = 'expired';
        move(held.quantities, 0, -1);
      }
      return 'ok';
    }
    if (command.do === 'adjust') {
      const counters = stock[command.variant]!;
      if (counters.onHand - counters.reserved + command.delta < 0) return 'insufficient_stock';
      counters.onHand += command.delta;
      return 'ok';
    }
    const held = orders.get(command.order);
    switch (command.do) {
      case 'reserve': {
        if (held) return held.state === 'open' || held.state === 'sold' ? 'ok' : 'reservation_closed';
        const { quantities, pinned } = command;
        if (stock.some(({ onHand, reserved }, variant) => onHand - reserved < quantities[variant]!)) {
          return 'insufficient_stock';
        }
        move(quantities, 0, 1);
        orders.set(command.order, { state: 'open', pinnedBy: pinned ? 'itself' : null, quantities });
        return 'ok';
      }
      case 'pin':
        if (held?.state === 'open') held.pinnedBy = command.by;
        return held?.state === 'open' || held?.state === 'sold' ? 'ok' : 'reservation_closed';
      case 'unpin':
        if (held?.state === 'open' && held.pinnedBy === command.by) held.pinnedBy = null;
        return 'ok';
      case 'release':
        if (!held) orders.set(command.order, { state: 'released', pinnedBy: null, quantities: [] });
        if (held?.state === 'open') move(held.quantities, 0, -1);
        if (held?.state === 'sold') move(held.quantities, 1, 0);
        if (held?.state === 'open') held.state = 'released';
        else if (held?.state === 'sold') held.state = 'returned';
        return 'ok';
      case 'pay':
        if (held?.state !== 'open') return 'ok';
        held.state = 'sold';
        move(held.quantities, -1, -1);
        return 'ok';
    }
  }

  return { apply, stock };
}

async function run(command: Command, productId: string, skus: string[], orderIds: string[]): Promise<void> {
  switch (command.do) {
    case 'expire':
      await expireReservations(database, unheard);
      return;
    case 'adjust': {
      const movement = { productId, sku: skus[command.variant]!, delta: command.delta, reason: 'count' };
      await database.transaction((tx) => adjustStock(tx, unheard, movement));
      return;
    }
    case 'reserve': {
      const lines = skus
        .map((sku, variant) => ({ sku, quantity: command.quantities[variant]! }))
        .filter((line) => line.quantity > 0);
      // Already past its time, so that every sweep finds it.
      const reservation = {
        orderId: orderIds[command.order]!,
        lines,
        pinned: command.pinned,
        expiresInMs: -1,
      };
      const [refusal] = await reserveStock(database, unheard, [reservation]);
      if (refusal) throw refusal;
      return;
    }
    case 'pin':
      return await pinReservation(database, orderIds[command.order]!, command.by);
    case 'unpin':
      return await unpinReservation(database, orderIds[command.order]!, command.by, -1);
    case 'release':
      return await releaseStock(database, unheard, orderIds[command.order]!);
    case 'pay':
      return await deliverPaid(database, orderIds[command.order]!);
  }
}

async function outcomeOf(work: Promise<void>): Promise<string> {
  try {
    await work;
    return 'ok';
  } catch (error) {
    if (isAppError(error)) return error.code;
    throw error;
  }
}

async function stockOf(productId: string) {
  const rows = await database.rows<{ onHand: number; reserved: number; inStock: boolean }>(sql`
    select s.on_hand as "onHand", s.reserved, p.in_stock as "inStock"
    from products.variant v
    join products.stock s on s.variant_id = v.id
    join products.product p on p.id = v.product_id
    where v.product_id = ${productId}::uuid order by v.position`);
  return {
    stock: rows.map(({ onHand, reserved }) => ({ onHand, reserved })),
    inStock: rows.every((row) => row.inStock),
  };
}

it('keeps stock as a simple model does, whatever is asked in whatever order', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.nat(8), { minLength: VARIANTS, maxLength: VARIANTS }),
      commands.filter((list) => list.every((c) => c.do !== 'reserve' || c.quantities.some((q) => q > 0))),
      async (onHand, list) => {
        const model = createModel(onHand);
        const skus = onHand.map(() => uuidv7());
        const productId = await shelve(database, Object.fromEntries(skus.map((sku, i) => [sku, onHand[i]!])));
        const orderIds = Array.from({ length: ORDERS }, () => uuidv7());
        for (const command of list) {
          const expected = model.apply(command);
          expect(await outcomeOf(run(command, productId, skus, orderIds))).toBe(expected);
          const inStock = model.stock.some((counters) => counters.onHand > counters.reserved);
          expect(await stockOf(productId)).toEqual({ stock: model.stock, inStock });
        }
      },
    ),
    { numRuns: 40 },
  );
  const findings: Finding[] = [];
  for (const check of auditStock(database)) for await (const finding of check()) findings.push(finding);
  expect(findings).toEqual([]);
});
