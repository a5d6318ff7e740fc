import { sql as drizzle } from 'drizzle-orm';
import type postgres from 'postgres';
import { openEmbedded } from '../src/database/embedded.ts';

/**
 * Opens the embedded database of a shop that has stopped, and lets `work` query it as it would query a server: with
 * templates, names in them, and whole texts.
 */
export async function queryFolder<Result>(
  folder: string,
  work: (sql: postgres.Sql) => Promise<Result>,
): Promise<Result> {
  const engine = await openEmbedded({ folder });
  const database = engine.database('orders');
  const ask = (text: string | TemplateStringsArray, ...values: unknown[]) =>
    typeof text === 'string' ? drizzle.identifier(text) : database.rows(drizzle(text, ...values));
  const unsafe = (text: string) => database.rows(drizzle.raw(text));
  try {
    // Only this part of the driver is used by those who look at a shop.
    return await work(Object.assign(ask, { unsafe }) as unknown as postgres.Sql);
  } finally {
    await engine.close();
  }
}
