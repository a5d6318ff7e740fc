import { sql } from 'drizzle-orm';
import type { Database } from '../database/database.ts';
import { deleteInBatches } from '../database/delete-in-batches.ts';
import { CLEAN_UP_BATCH, INBOX_KEEP_DAYS, OUTBOX_KEEP_DAYS } from '../limits.ts';

/** Deletes events that all consumers handled long ago, and inbox rows older than any event that could return. */
export async function deleteOldEvents(database: Database): Promise<void> {
  const schema = sql.identifier(database.schema);
  await deleteInBatches(
    database,
    CLEAN_UP_BATCH,
    sql`
    with old as (
      select o.id from ${schema}.outbox o
      where o.at < now() - ${OUTBOX_KEEP_DAYS}::int * interval '1 day'
        and not exists (select 1 from ${schema}.delivery d
          where d.event_id = o.id and d.state in ('pending', 'leased', 'parked'))
      order by o.at limit ${CLEAN_UP_BATCH}::int for update of o skip locked
    ), delivered as (
      delete from ${schema}.delivery d using old where d.event_id = old.id
    )
    delete from ${schema}.outbox o using old where o.id = old.id returning o.id`,
  );
  await deleteInBatches(
    database,
    CLEAN_UP_BATCH,
    sql`
    delete from ${schema}.inbox where event_id in (
      select event_id from ${schema}.inbox
      where at < now() - ${INBOX_KEEP_DAYS}::int * interval '1 day'
      order by at limit ${CLEAN_UP_BATCH}::int for update skip locked)
    returning event_id`,
  );
}
