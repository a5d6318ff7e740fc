import { sql } from 'drizzle-orm';
import type { Finding } from '../audit.ts';
import type { Database } from '../database/database.ts';
import { BEFORE_ALL_IDS, textArray } from '../database/sql.ts';
import type { Subscribers } from './outbox.ts';

/** Events read at once; bounds the audit's memory. */
const BATCH = 1_000;
/** A delivery that has been due, and first of its stream, for this long is late: the relay looks every second. */
const LATE_SECONDS = 60;

/**
 * I5 and I6 for the events of one producer: every subscriber has a delivery of every event; what is done was
 * recorded by the consumer's inbox; nothing is parked or late; and no inbox took a stream's events out of order.
 * `inboxes` are the databases of the consumers, by module.
 */
export async function* auditEvents(
  module: string,
  database: Database,
  subscribers: Subscribers,
  inboxes: ReadonlyMap<string, Database>,
): AsyncIterable<Finding> {
  const schema = sql.identifier(database.schema);
  for (const [type, consumers] of subscribers) {
    for (const consumer of consumers) {
      const missing = await database.rows<{ id: string }>(sql`
        select o.id from ${schema}.outbox o
        where o.type = ${type} and not exists (
          select 1 from ${schema}.delivery d where d.event_id = o.id and d.consumer = ${consumer})
        limit ${BATCH}`);
      for (const row of missing) {
        yield {
          invariant: 'I5',
          subject: `event ${row.id} (${type})`,
          detail: `has no delivery to ${consumer}`,
        };
      }
    }
  }
  const late = await database.rows<{ id: string; consumer: string; state: string; error: string | null }>(sql`
    select d.event_id as id, d.consumer, d.state, d.last_error as error from ${schema}.delivery d
    where d.state = 'parked'
      or (d.state in ('pending', 'leased') and d.due_at < now() - ${LATE_SECONDS}::int * interval '1 second'
        and not exists (select 1 from ${schema}.delivery earlier
          where earlier.consumer = d.consumer and earlier.stream = d.stream and earlier.version < d.version
            and earlier.state in ('pending', 'leased', 'parked')))
    limit ${BATCH}`);
  for (const row of late) {
    const why = row.state === 'parked' ? `is parked: ${row.error}` : `is ${row.state} and late`;
    yield {
      invariant: 'I5',
      subject: `event ${row.id}`,
      detail: `delivery from ${module} to ${row.consumer} ${why}`,
    };
  }
  yield* auditDone(module, database, inboxes);
}

async function* auditDone(
  module: string,
  database: Database,
  inboxes: ReadonlyMap<string, Database>,
): AsyncIterable<Finding> {
  const schema = sql.identifier(database.schema);
  let after: string = BEFORE_ALL_IDS;
  for (;;) {
    const page = await database.rows<{ id: string; consumer: string }>(sql`
      select d.event_id as id, d.consumer from ${schema}.delivery d
      where d.state = 'done' and d.event_id in (
        select distinct event_id from ${schema}.delivery where event_id > ${after}::uuid and state = 'done'
        order by event_id limit ${BATCH})
      order by d.event_id`);
    const last = page.at(-1);
    if (!last) return;
    after = last.id;
    for (const [consumer, inbox] of inboxes) {
      const ids = page.filter((row) => row.consumer === consumer).map((row) => row.id);
      if (ids.length === 0) continue;
      const unknown = await inbox.rows<{ id: string }>(sql`
        select id from unnest(${textArray(ids)}) as id
        where id::uuid not in (select event_id from ${sql.identifier(inbox.schema)}.inbox
          where event_id = any(${textArray(ids)}::uuid[]))`);
      for (const row of unknown) {
        const detail = `${module} holds it done, but the inbox of ${consumer} does not know it`;
        yield { invariant: 'I5', subject: `event ${row.id}`, detail };
      }
    }
  }
}

/** I6 for one consumer: along each stream its inbox took rising versions. */
export async function* auditInbox(module: string, database: Database): AsyncIterable<Finding> {
  const rows = await database.rows<{ stream: string; version: number; previous: number }>(sql`
    select stream, version, previous from (
      select stream, version, lag(version) over (partition by stream order by position) as previous
      from ${sql.identifier(database.schema)}.inbox) as ordered
    where previous >= version limit ${BATCH}`);
  for (const row of rows) {
    const detail = `${module} handled version ${row.version} after version ${row.previous}`;
    yield { invariant: 'I6', subject: row.stream, detail };
  }
}
