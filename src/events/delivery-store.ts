import { type SQL, sql } from 'drizzle-orm';
import type { Database } from '../database/database.ts';
import { isoTime } from '../database/sql.ts';
import { backoffMs } from '../deadline.ts';
import {
  DELIVERY_ATTEMPTS,
  DELIVERY_BACKOFF_MAX_MS,
  DELIVERY_BACKOFF_MS,
  DELIVERY_LEASE_MS,
  DELIVERY_REOFFER_MS,
  RELAY_LEASED,
} from '../limits.ts';
import type { EventEnvelope } from './event.ts';

/** A leased delivery. */
export interface Delivery {
  readonly event: EventEnvelope;
  readonly consumer: string;
  /** Rises with each lease, so that whoever held an earlier one has no more say. */
  readonly fence: number;
  /** How often its handler has failed. */
  readonly attempts: number;
}

/** What became of a delivery; `fence` is left out by a holder that was told of it through Redis. */
export interface Outcome {
  readonly eventId: string;
  readonly consumer: string;
  readonly attempts: number;
  readonly fence?: number;
  /** Why its handler failed; null: the consumer's inbox has recorded it. */
  readonly failure: string | null;
}

/**
 * Leases up to `limit` due deliveries, each the lowest unfinished one of its stream. Fewer when many are under way
 * already, so that what waits for a slow consumer waits here.
 */
export async function claimDeliveries(
  database: Database,
  consumer: string,
  limit: number,
): Promise<Delivery[]> {
  const schema = sql.identifier(database.schema);
  const rows = await database.rows<EventEnvelope & { fence: number; attempts: number }>(sql`
    with due as (
      select d.event_id from ${schema}.delivery d
      where d.consumer = ${consumer} and d.state in ('pending', 'leased') and d.due_at <= now()
        and not exists (
          select 1 from ${schema}.delivery earlier
          where earlier.consumer = d.consumer and earlier.stream = d.stream and earlier.version < d.version
            and earlier.state in ('pending', 'leased', 'parked'))
      order by d.due_at
      limit greatest(0, least(${limit}::int, ${RELAY_LEASED}::int - (
        select count(*)::int from ${schema}.delivery l
        where l.consumer = ${consumer} and l.state = 'leased' and l.due_at > now())))
      for update skip locked
    ), leased as (
      update ${schema}.delivery d
      set state = 'leased', fence = d.fence + 1,
          due_at = now() + ${DELIVERY_LEASE_MS}::int * interval '1 millisecond'
      from due where d.event_id = due.event_id and d.consumer = ${consumer}
      returning d.event_id, d.fence, d.attempts
    )
    select o.id, o.type, o.stream, o.version, ${isoTime(sql`o.at`)} as at, o.data, o.trace, l.fence, l.attempts
    from leased l join ${schema}.outbox o on o.id = l.event_id
    order by o.stream, o.version`);
  return rows.map(({ fence, attempts, ...event }) => ({ event, consumer, fence, attempts }));
}

/**
 * Writes down what became of a delivery. "Done" is the inbox's word, so it counts
 * whoever brings it and however late, unless a fence says whose lease it was; a failure counts once.
 */
export async function recordOutcome(database: Database, outcome: Outcome): Promise<void> {
  const { eventId, consumer, attempts, fence, failure } = outcome;
  const mine = fence === undefined ? sql`true` : sql`state = 'leased' and fence = ${fence}::int`;
  if (failure === null) {
    await change(
      database,
      sql`state = 'done', last_error = null`,
      sql`event_id = ${eventId}::uuid and consumer = ${consumer} and state in ('pending', 'leased', 'parked') and ${mine}`,
    );
    return;
  }
  const parked = attempts + 1 >= DELIVERY_ATTEMPTS;
  const waitMs = backoffMs(attempts + 1, DELIVERY_BACKOFF_MS, DELIVERY_BACKOFF_MAX_MS);
  await change(
    database,
    sql`state = ${parked ? 'parked' : 'pending'}, attempts = attempts + 1, last_error = ${failure.slice(0, 500)},
      due_at = now() + ${waitMs}::int * interval '1 millisecond'`,
    sql`event_id = ${eventId}::uuid and consumer = ${consumer} and state = 'leased'
      and attempts = ${attempts}::int and ${mine}`,
  );
}

/** Gives a delivery back that could be handed to nobody: that is no failure of its handler. */
export async function giveBack(database: Database, { event, consumer, fence }: Delivery): Promise<void> {
  await change(
    database,
    sql`state = 'pending', due_at = now() + ${DELIVERY_REOFFER_MS}::int * interval '1 millisecond'`,
    sql`event_id = ${event.id}::uuid and consumer = ${consumer} and state = 'leased' and fence = ${fence}::int`,
  );
}

/** Makes every leased delivery due; only where it is certain that nobody holds one. */
export async function freeLeases(database: Database): Promise<void> {
  await change(database, sql`due_at = now()`, sql`state = 'leased'`);
}

async function change(database: Database, changes: SQL, where: SQL): Promise<void> {
  await database.rows(sql`update ${sql.identifier(database.schema)}.delivery set ${changes} where ${where}`);
}
