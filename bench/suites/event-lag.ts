import type postgres from 'postgres';

/** When an event was committed, and when its effect at a consumer, both on the server's clock. */
export interface DeliveredEvent {
  readonly consumer: string;
  readonly committedMs: number;
  readonly handledMs: number;
}

/**
 * Every event that was committed since then and handled by now. The times are those of the commits themselves, which
 * Postgres keeps with `track_commit_timestamp`: an outbox row's own `at` is the start of the transaction.
 */
export async function readDelivered(sql: postgres.Sql, sinceMs: number): Promise<DeliveredEvent[]> {
  const outboxes = await schemasWith(sql, 'outbox');
  const inboxes = await schemasWith(sql, 'inbox');
  const events = outboxes
    .map((schema) => `select id, pg_xact_commit_timestamp(xmin) as at from ${schema}.outbox`)
    .join(' union all ');
  const handled = inboxes
    .map(
      (schema) => `select '${schema}' as consumer, event_id, pg_xact_commit_timestamp(xmin) as at
        from ${schema}.inbox`,
    )
    .join(' union all ');
  return await sql.unsafe<DeliveredEvent[]>(
    `select h.consumer, extract(epoch from o.at)::float8 * 1000 as "committedMs",
       extract(epoch from h.at)::float8 * 1000 as "handledMs"
     from (${events}) o join (${handled}) h on h.event_id = o.id
     where o.at >= to_timestamp($1::float8 / 1000)`,
    [sinceMs],
  );
}

/** Deliveries that are not done. */
export async function countUndelivered(sql: postgres.Sql): Promise<number> {
  const schemas = await schemasWith(sql, 'delivery');
  const counts = schemas.map(
    (schema) => `(select count(*) from ${schema}.delivery where state in ('pending', 'leased', 'parked'))`,
  );
  const [row] = await sql.unsafe(`select (${counts.join(' + ')})::int as count`);
  return row?.count;
}

/** From commit to commit, in milliseconds, sorted. Two commits of one moment may be told in the wrong order. */
export function lagsOf(events: readonly DeliveredEvent[]): number[] {
  return events
    .map(({ committedMs, handledMs }) => Math.max(0, handledMs - committedMs))
    .sort((a, b) => a - b);
}

/** Events a second from the first that was handled to the last. */
export function drainRate(events: readonly DeliveredEvent[]): number {
  const times = events.map(({ handledMs }) => handledMs);
  const first = times.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  const last = times.reduce((a, b) => Math.max(a, b), 0);
  return ((events.length - 1) * 1_000) / (last - first);
}

async function schemasWith(sql: postgres.Sql, table: string): Promise<string[]> {
  const rows = await sql<{ schema: string }[]>`
    select table_schema as schema from information_schema.tables where table_name = ${table} order by 1`;
  return rows.map(({ schema }) => schema);
}
