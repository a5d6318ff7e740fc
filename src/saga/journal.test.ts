import { sql } from 'drizzle-orm';
import { uuidv7 } from 'uuidv7';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Database } from '../database/database.ts';
import type { Engine } from '../database/engine.ts';
import { openPlatformDatabase } from '../testing/database.ts';
import { createJournal, type HeldSaga } from './journal.ts';

let engine: Engine;
let database: Database;

beforeAll(async () => {
  ({ engine, database } = await openPlatformDatabase());
});
afterAll(() => engine.close());

async function begin(): Promise<{ saga: HeldSaga; subject: string }> {
  const subject = uuidv7();
  const saga = { id: uuidv7(), name: 'trip', subject, data: {}, trace: null };
  const held = await database.transaction((tx) => createJournal(database).insert(tx, saga));
  return { saga: held!, subject };
}

async function isDueWithin(id: string, seconds: number): Promise<boolean> {
  const [row] = await database.rows<{ soon: boolean }>(sql`
    select due_at <= now() + ${seconds}::int * interval '1 second' as soon from test.saga where id = ${id}`);
  return row!.soon;
}

test('a sign of life that arrives late does not hold a saga that its driver has let go', async () => {
  const journal = createJournal(database);
  const { saga } = await begin();
  expect(await journal.letGo(saga, { retryMs: 200 })).toBe(true);
  await journal.renew(saga);
  expect(await isDueWithin(saga.id, 1)).toBe(true);
});

test('a sign of life that arrives late does not put off a saga that was woken meanwhile', async () => {
  const journal = createJournal(database);
  const { saga, subject } = await begin();
  expect(await journal.letGo(saga, 'woken')).toBe(true);
  await database.transaction((tx) => journal.wake(tx, subject));
  await journal.renew(saga);
  expect(await journal.lease(saga.id)).toMatchObject({ id: saga.id });
});

test('a sign of life that arrives late does not put off the next try of an undo', async () => {
  const journal = createJournal(database);
  const { saga } = await begin();
  const turned = await database.transaction((tx) => journal.turn(tx, saga, { code: 'declined' }, 0));
  await journal.putOff(turned!, 200);
  await journal.renew(turned!);
  expect(await isDueWithin(saga.id, 1)).toBe(true);
});
