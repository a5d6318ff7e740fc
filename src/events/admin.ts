import { sql } from 'drizzle-orm';
import type { Database } from '../database/database.ts';
import { isoTime } from '../database/sql.ts';
import type { DeliveryState } from './delivery-state.ts';

/** A delivery that is not done, as an operator sees it. */
export interface OpenDelivery {
  readonly eventId: string;
  readonly consumer: string;
  readonly type: string;
  readonly stream: string;
  readonly version: number;
  readonly state: DeliveryState;
  readonly attempts: number;
  /** When it is tried next, or its lease ends; RFC 3339. */
  readonly dueAt: string;
  readonly lastError: string | null;
}

/** Lists one producer's open deliveries, those due longest first. */
export async function listDeliveries(
  database: Database,
  filter: { state?: DeliveryState; limit: number },
): Promise<OpenDelivery[]> {
  const schema = sql.identifier(database.schema);
  const states = filter.state
    ? sql`d.state = ${filter.state}`
    : sql`d.state in ('pending', 'leased', 'parked')`;
  return await database.rows<OpenDelivery>(sql`
    select d.event_id as "eventId", d.consumer, o.type, d.stream, d.version, d.state, d.attempts,
      ${isoTime(sql`d.due_at`)} as "dueAt", d.last_error as "lastError"
    from ${schema}.delivery d join ${schema}.outbox o on o.id = d.event_id
    where ${states}
    order by d.due_at limit ${filter.limit}`);
}

/** Makes parked deliveries of the event due again, for one consumer or all; how many there were. */
export async function retryDeliveries(
  database: Database,
  eventId: string,
  consumer?: string,
): Promise<number> {
  const schema = sql.identifier(database.schema);
  const rows = await database.rows(sql`
    update ${schema}.delivery set state = 'pending', attempts = 0, due_at = now()
    where event_id = ${eventId}::uuid and state = 'parked'
      and (${consumer ?? null}::text is null or consumer = ${consumer ?? null})
    returning event_id`);
  return rows.length;
}

/** Gives a parked delivery up, so that those behind it in its stream go on. */
export async function skipDelivery(database: Database, eventId: string, consumer: string): Promise<number> {
  const schema = sql.identifier(database.schema);
  const rows = await database.rows(sql`
    update ${schema}.delivery set state = 'skipped'
    where event_id = ${eventId}::uuid and consumer = ${consumer} and state = 'parked'
    returning event_id`);
  return rows.length;
}
