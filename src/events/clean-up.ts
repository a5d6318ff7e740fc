import { sql } from 'drizzle-orm';
import type { Database } from '../database/database.ts';
import { INBOX_KEEP_DAYS, OUTBOX_KEEP_DAYS } from '../limits.ts';

/** Rows deleted in one statement; short statements keep out of the way of orders. */
const BATCH = 1_000;

/** Deletes events that all consumers handled long ago, and inbox rows older than any event that could return. */
export async function deleteOldEvents(database: Database): Promise<void> {
  const schema = sql.identifier(database.schema);
  await database.rows(sql`
    with old as (
      select o.id from ${schema}.outbox o
      where o.at < now() - ${OUTBOX_KEEP_DAYS}::int * interval '1 day'
        and not exists (select 1 from ${schema}.delivery d
          where d.event_id = o.id and d.state in ('pending', 'leased', 'parked'))
      limit ${BATCH}
    ), delivered as (
      delete from ${schema}.delivery d using old where d.event_id = old.id
    )
    delete from ${schema}.outbox o using old where o.id = old.id`);
  await database.rows(sql`
    delete from ${schema}.inbox where event_id in (
      select event_id from ${schema}.inbox
      where at < now() - ${INBOX_KEEP_DAYS}::int * interval '1 day' limit ${BATCH})`);
}
