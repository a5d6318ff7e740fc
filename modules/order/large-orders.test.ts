import { afterAll, beforeAll, expect, it } from 'vitest';
import { MAX_LINES } from '#modules/product/contract';
import type { Database, Transaction } from '#platform/database/database';
import type { AnyModule } from '#platform/module';
import { startShop, type TestShop } from '#platform/testing/shop';
import { createFakeNeeds, UNIT_PRICE } from './fake-needs.ts';
import { orderModule } from './module.ts';

const needs = createFakeNeeds();
let statements = 0;
let shop: TestShop;
let customer: { userId: string; token: string };

/** Counts what runs through a handle: raw statements, and each use of the query builder. */
function counting(tx: Transaction): Transaction {
  return {
    get db() {
      statements += 1;
      return tx.db;
    },
    rows(statement) {
      statements += 1;
      return tx.rows(statement);
    },
    onCommit: (hook) => tx.onCommit(hook),
  };
}

const countedModule: AnyModule = {
  ...orderModule,
  create(context) {
    // Spreading a database would read its `db`, which is refused inside transactions; so it is named in full.
    const { database } = context;
    const counted: Database = {
      schema: database.schema,
      get db() {
        statements += 1;
        return database.db;
      },
      rows(statement) {
        statements += 1;
        return database.rows(statement);
      },
      transaction: (work, options) => database.transaction((tx) => work(counting(tx)), options),
      sharedTransaction: (work) => database.sharedTransaction((tx) => work(counting(tx))),
    };
    return orderModule.create({ ...context, database: counted });
  },
};

beforeAll(async () => {
  const fakes = { product: needs.product, payment: needs.payment, user: needs.user };
  // Without workers, whose sweeps would be counted as well.
  shop = await startShop({ modules: [countedModule], fakes, config: { roles: ['http'] } });
  customer = await shop.signUp();
});

afterAll(() => shop.stop());

/** Places, reads and cancels an order of `lines` lines; how many statements the module ran for it. */
async function trade(lines: number): Promise<number> {
  const items = Array.from({ length: lines }, (_, index) => ({
    sku: `SKU-${index}`,
    quantity: 1 + (index % 9),
  }));
  for (const { sku } of items) needs.stock.set(sku, 100);
  needs.calls.length = 0;
  statements = 0;
  const placed = await shop.request('POST', '/orders', {
    token: customer.token,
    body: { items, currency: 'GBP', payment: { method: 'card', token: 'tok_ok' } },
    headers: { 'idempotency-key': `lines-${lines}` },
  });
  expect(placed.status).toBe(201);
  const pieces = items.reduce((all, { quantity }) => all + quantity, 0);
  expect(placed.body.total.amount).toBe(pieces * UNIT_PRICE);
  const path = `/orders/${placed.body.id}`;
  const read = await shop.request('GET', `${path}?expand=items.product`, { token: customer.token });
  expect(read.body.items).toHaveLength(lines);
  const cancelled = await shop.request('POST', `${path}/cancel`, {
    token: customer.token,
    body: { reason: 'no' },
  });
  expect(cancelled.body).toMatchObject({ status: 'cancelled', items: read.body.items.map(withoutProduct) });
  expect(needs.stock.get('SKU-0')).toBe(100);
  expect(needs.calls).toHaveLength(6);
  return statements;
}

function withoutProduct({ product: _, ...item }: { product: unknown }) {
  return item;
}

it('an order of 2,000 lines takes as many statements and calls as an order of one', async () => {
  const one = await trade(1);
  expect(one).toBeGreaterThan(5);
  expect(one).toBeLessThan(30);
  expect(await trade(MAX_LINES)).toBe(one);
});
