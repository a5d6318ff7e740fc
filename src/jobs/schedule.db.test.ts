import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Database } from '../database/database.ts';
import type { Engine } from '../database/engine.ts';
import { openPlatformDatabase } from '../testing/database.ts';
import { takeTurn } from './schedule-store.ts';

let engine: Engine;
let database: Database;

beforeAll(async () => {
  ({ engine, database } = await openPlatformDatabase());
});
afterAll(() => engine.close());

/** Ten workers that come at the same moment; how many had the turn. */
async function tenWorkers(name: string): Promise<number> {
  const turns = await Promise.all(Array.from({ length: 10 }, () => takeTurn(database, name, 60_000)));
  return turns.filter(Boolean).length;
}

test('of ten workers one has each turn of a schedule, by the clock of the database', async () => {
  expect(await tenWorkers('sweep')).toBe(1);
  expect(await tenWorkers('sweep')).toBe(0);
  await database.rows(sql`update test.schedule set due_at = due_at - interval '60 seconds'`);
  expect(await tenWorkers('sweep')).toBe(1);
  expect(await tenWorkers('another')).toBe(1);
});

test('a worker that is woken a little early takes the turn rather than skipping a period', async () => {
  expect(await takeTurn(database, 'early', 60_000)).toBe(true);
  await database.rows(
    sql`update test.schedule set due_at = now() + interval '7 seconds' where name = 'early'`,
  );
  expect(await takeTurn(database, 'early', 60_000)).toBe(false);
  await database.rows(
    sql`update test.schedule set due_at = now() + interval '5 seconds' where name = 'early'`,
  );
  expect(await takeTurn(database, 'early', 60_000)).toBe(true);
});
