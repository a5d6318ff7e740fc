import { sql } from 'drizzle-orm';
import postgres from 'postgres';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../testing/test-database.ts';
import { migrate } from './migrate.ts';
import { openPostgres, type PostgresEngine } from './postgres.ts';

const LAST = 'platform/0003_traces.sql';

let made: TestDatabase;
let engine: PostgresEngine;
beforeAll(async () => {
  made = await createTestDatabase();
  engine = openPostgres({ url: made.url, prepare: true, applicationName: 'banyan test' }, 2);
});
afterAll(async () => {
  await engine.close();
  await made.drop();
});

it('gives way to a session that holds a table, so that nobody queues behind it for long', async () => {
  const database = engine.database('test');
  await migrate(engine, 'test', ['platform']);
  await database.rows(sql`delete from test.migration where name = ${LAST}`);
  await database.rows(sql`alter table test.delivery drop column trace`);
  await database.rows(sql`alter table test.job drop column trace`);

  const dump = postgres(made.url, { max: 1, onnotice: () => undefined });
  try {
    await dump.begin(async (tx) => {
      // Ours would be taken for stuck, and ended.
      await tx`set local idle_in_transaction_session_timeout = 0`;
      await tx`lock table test.job in access share mode`;
      await expect(migrate(engine, 'test', ['platform'])).rejects.toMatchObject({
        kind: 'unavailable',
        code: 'migration_blocked',
      });
    });
  } finally {
    await dump.end();
  }
  expect(await migrate(engine, 'test', ['platform'])).toEqual([LAST]);
});
