import { sql } from 'drizzle-orm';
import type { Database } from '../database/database.ts';
import { SCHEDULE_EARLY } from '../limits.ts';

/**
 * Takes a schedule's turn if it is due, and puts its next one `everyMs` off; false when another worker was first.
 * So a turn that its worker does not live through is only skipped: what is to be done stands in rows of its own.
 */
export async function takeTurn(database: Database, name: string, everyMs: number): Promise<boolean> {
  const earlyMs = Math.round(everyMs * SCHEDULE_EARLY);
  const rows = await database.rows(sql`
    insert into ${sql.identifier(database.schema)}.schedule as s (name, due_at)
    values (${name}::text, now() + ${everyMs}::int * interval '1 millisecond')
    on conflict (name) do update set due_at = excluded.due_at
      where s.due_at <= now() + ${earlyMs}::int * interval '1 millisecond'
    returning name`);
  return rows.length > 0;
}
