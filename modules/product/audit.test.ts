import { type SQL, sql } from 'drizzle-orm';
import { uuidv7 } from 'uuidv7';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Finding } from '#platform/audit';
import type { Database } from '#platform/database/database';
import type { Engine } from '#platform/database/engine';
import { openModuleDatabase } from '#platform/testing/database';
import { auditStock } from './audit.ts';
import { reserveStock } from './reserve-stock.ts';
import { deliverPaid, shelve, unheard } from './testing-catalogue.ts';

const HOUR_MS = 3_600_000;

let engine: Engine;
let database: Database;
let open: string;

/** A shop with an open reservation and a sale. */
beforeAll(async () => {
  ({ engine, database } = await openModuleDatabase('product', 'products'));
  await shelve(database, { mug: 10, cup: 10 });
  open = uuidv7();
  const sold = uuidv7();
  const lines = [{ sku: 'mug', quantity: 2 }];
  await reserveStock(database, unheard, [{ orderId: open, lines, pinned: false, expiresInMs: HOUR_MS }]);
  await reserveStock(database, unheard, [{ orderId: sold, lines, pinned: true, expiresInMs: HOUR_MS }]);
  await deliverPaid(database, sold);
});

afterAll(() => engine.close());

/** What the audit finds after these changes, which are taken back afterwards. */
async function findingsAfter(...changes: SQL[]): Promise<Finding[]> {
  const found: Finding[] = [];
  const takeBack = new Error('take the changes back');
  const planted = database.transaction(async (tx) => {
    for (const change of changes) await tx.rows(change);
    for (const check of auditStock(tx)) for await (const finding of check()) found.push(finding);
    throw takeBack;
  });
  await expect(planted).rejects.toBe(takeBack);
  return found;
}

const ofMug = sql`variant_id = (select id from products.variant where sku = 'mug')`;

it('finds nothing wrong with a sound shop', async () => {
  expect(await findingsAfter()).toEqual([]);
});

it('finds a variant whose reserved pieces no reservation explains', async () => {
  const found = await findingsAfter(sql`update products.stock set reserved = 5 where ${ofMug}`);
  expect(found).toEqual([
    {
      invariant: 'I1',
      subject: expect.stringContaining('(sku mug)'),
      detail: '5 reserved, but open reservations add up to 2',
    },
  ]);
});

it('finds a variant whose pieces the ledger does not explain', async () => {
  const found = await findingsAfter(sql`delete from products.stock_entry where ${ofMug}`);
  expect(found).toEqual([
    {
      invariant: 'I1',
      subject: expect.stringContaining('(sku mug)'),
      detail: "8 on hand, but 10 at first and the ledger's 0 make 10",
    },
  ]);
});

it('finds a variant of which more is reserved than there is, which only a lost check lets in', async () => {
  const found = await findingsAfter(
    sql`alter table products.stock drop constraint stock_check`,
    sql`update products.stock set on_hand = 1 where ${ofMug}`,
  );
  expect(found.map((finding) => finding.detail)).toContain('2 reserved of 1 on hand');
});

it('has its tables refuse what must never be', async () => {
  for (const change of [sql`reserved = on_hand + 1`, sql`on_hand = -1`, sql`reserved = -1`]) {
    const write = database.rows(sql`update products.stock set ${change} where ${ofMug}`);
    await expect(write).rejects.toThrow(/check constraint/);
  }
});

it('finds an open reservation that no sweep closed, once the grace is over, unless it is pinned', async () => {
  const expiredSince = (seconds: number) => sql`
    update products.reservation set expires_at = now() - ${seconds}::int * interval '1 second'
    where order_id = ${open}::uuid`;
  const pin = sql`update products.reservation set pinned = true where order_id = ${open}::uuid`;
  expect(await findingsAfter(expiredSince(10))).toEqual([]);
  const subject = `reservation of order ${open}`;
  expect(await findingsAfter(expiredSince(600))).toMatchObject([{ invariant: 'I4', subject }]);
  expect(await findingsAfter(expiredSince(600), pin)).toEqual([]);
});
