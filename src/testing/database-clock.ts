import postgres from 'postgres';
import { createTestDatabase, type TestDatabase } from './test-database.ts';

/** A database whose clock goes as the test says. */
export interface ClockedDatabase extends TestDatabase {
  /** Sets the clock ahead of the true one, as `25 hours`, for every session at once. */
  setAhead(interval: string): Promise<void>;
}

/**
 * An empty database in which `now()` finds a function of the test's first. Columns whose default is the time keep
 * the true one, so what is made is made today, and grows old as the clock is set ahead.
 */
export async function createClockedDatabase(): Promise<ClockedDatabase> {
  const database = await createTestDatabase();
  const sql = postgres(database.url, { max: 1, onnotice: () => undefined });
  const setAhead = async (interval: string) => {
    await sql.unsafe(`
      create or replace function clock.now() returns timestamptz language sql stable
      as $$ select pg_catalog.now() + interval '${interval}' $$`);
  };
  await sql.unsafe('create schema clock; grant usage on schema clock to public');
  await setAhead('0');
  await sql.unsafe(`alter database "${database.name}" set search_path = clock, pg_catalog, public`);
  return {
    ...database,
    setAhead,
    async drop() {
      await sql.end();
      await database.drop();
    },
  };
}
