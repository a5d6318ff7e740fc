import { uuidv7 } from 'uuidv7';
import type { Database, Transaction } from '#platform/database/database';
import type { EventEnvelope } from '#platform/events/event';
import { consumeTogether } from '#platform/events/inbox';
import { createProduct } from './create-product.ts';
import { createOnOrderPaid } from './on-order-paid.ts';
import { newProductBody } from './product-bodies.ts';
import type { ProductsChanged } from './product-cache.ts';

/** For tests that read no cache. */
export const unheard: ProductsChanged = () => undefined;

/** For tests: a product with one variant per sku and its pieces on hand; returns the product's id. */
export async function shelve(database: Database, onHand: Readonly<Record<string, number>>): Promise<string> {
  const variants = Object.entries(onHand).map(([sku, pieces]) => ({ sku, prices: [], onHand: pieces }));
  const body = newProductBody.parse({ name: 'Shelved', variants });
  const { product } = await database.transaction((tx) => createProduct(tx, uuidv7, body));
  return product.id;
}

/** For tests: the event that an order was paid, as it reaches this module. */
export function paidEvent(orderId: string, eventId = uuidv7()): EventEnvelope {
  return {
    id: eventId,
    type: 'order.paid.v1',
    stream: `order:${orderId}`,
    version: 2,
    at: '2026-01-01T00:00:00.000Z',
    data: { orderId, userId: uuidv7(), number: '1' },
    trace: null,
  };
}

/** For tests: delivers that event; the same `eventId` is the same event again. */
export async function deliverPaid(database: Database, orderId: string, eventId?: string): Promise<void> {
  await deliverAllPaid(database, [paidEvent(orderId, eventId)]);
}

/** For tests: delivers such events together. */
export async function deliverAllPaid(database: Database, events: readonly EventEnvelope[]): Promise<void> {
  const refused = await consumeTogether(database, events, createOnOrderPaid(unheard) as never);
  for (const refusal of refused) if (refusal) throw refusal;
}

/** For tests: the same database, with a count of the statements its transactions run. */
export function counting(database: Database): Database & { readonly statements: { count: number } } {
  const statements = { count: 0 };
  const count = (tx: Transaction): Transaction => ({
    get db() {
      return tx.db;
    },
    rows(statement) {
      statements.count += 1;
      return tx.rows(statement);
    },
    onCommit: (hook) => tx.onCommit(hook),
  });
  return {
    schema: database.schema,
    get db() {
      return database.db;
    },
    rows: (statement) => database.rows(statement),
    transaction: (work, options) => database.transaction((tx) => work(count(tx)), options),
    sharedTransaction: (work) => database.sharedTransaction((tx) => work(count(tx))),
    statements,
  };
}
