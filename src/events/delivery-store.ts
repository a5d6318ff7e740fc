import { type SQL, sql } from 'drizzle-orm';
import type { Database, Queryable } from '../database/database.ts';
import { isoTime, listRows } from '../database/sql.ts';
import { backoffMs } from '../deadline.ts';
import {
  DELIVERY_ATTEMPTS,
  DELIVERY_BACKOFF_MAX_MS,
  DELIVERY_BACKOFF_MS,
  DELIVERY_LEASE_MS,
  DELIVERY_PATIENCE_HOURS,
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
  /** The span of the try that failed last, as `formatTrace` writes it. */
  readonly failedIn?: string | null;
}

/** Why a handler failed. What may pass, as a peer or a database that is away, says nothing against the event. */
export interface Failure {
  readonly message: string;
  readonly mayPass: boolean;
  /** The span in which it failed, as `formatTrace` writes it; a process of the version before tells none. */
  readonly trace?: string | null;
}

/** What became of a delivery; `fence` is left out by a holder that was told of it through Redis. */
export interface Outcome {
  readonly eventId: string;
  readonly consumer: string;
  readonly attempts: number;
  readonly fence?: number;
  /** Null: the consumer's inbox has recorded it. */
  readonly failure: Failure | null;
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
  type Row = EventEnvelope & { fence: number; attempts: number; failedIn: string | null };
  const rows = await database.rows<Row>(sql`
    with due as (
      select d.event_id from ${schema}.delivery d
      where d.consumer = ${consumer} and d.state in ('pending', 'leased') and d.due_at <= now()
        and (
          -- Not "not exists": as a join it is read by consumer, and so the whole backlog for each row of it.
          select true from ${schema}.delivery earlier
          where earlier.consumer = d.consumer and earlier.stream = d.stream and earlier.version < d.version
            and earlier.state in ('pending', 'leased', 'parked') limit 1) is null
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
      returning d.event_id, d.fence, d.attempts, d.trace
    )
    select o.id, o.type, o.stream, o.version, ${isoTime(sql`o.at`)} as at, o.data, o.trace, l.fence, l.attempts,
      l.trace as "failedIn"
    from leased l join ${schema}.outbox o on o.id = l.event_id
    order by o.stream, o.version`);
  return rows.map(({ fence, attempts, failedIn, ...event }) => ({
    event,
    consumer,
    fence,
    attempts,
    failedIn,
  }));
}

/**
 * Writes down what became of deliveries; tells for each whether it is parked now. "Done" is the inbox's word, so it
 * counts whoever brings it and however late, unless a fence says whose lease it was; a failure counts once. One that
 * may pass parks an event only when it has lasted for DELIVERY_PATIENCE_HOURS. To be told again changes nothing. All of
 * them are written or none.
 */
export async function recordOutcomes(database: Database, outcomes: readonly Outcome[]): Promise<boolean[]> {
  const { schema } = database;
  const done = outcomes.filter(({ failure }) => failure === null);
  if (done.length === outcomes.length) {
    await recordDone(database, schema, done);
    return outcomes.map(() => false);
  }
  return await database.transaction(async (tx) => {
    await recordDone(tx, schema, done);
    const parked: boolean[] = [];
    for (const outcome of outcomes) {
      const { failure } = outcome;
      parked.push(failure !== null && (await recordFailure(tx, schema, outcome, failure)));
    }
    return parked;
  });
}

/** Leases begin at 1. */
const NO_FENCE = 0;

async function recordDone(on: Queryable, schema: string, outcomes: readonly Outcome[]): Promise<void> {
  if (outcomes.length === 0) return;
  await on.rows(sql`
    update ${sql.identifier(schema)}.delivery d set state = 'done', last_error = null
    from ${listRows(
      ['uuid', outcomes.map(({ eventId }) => eventId)],
      ['text', outcomes.map(({ consumer }) => consumer)],
      ['bigint', outcomes.map(({ fence }) => fence ?? NO_FENCE)],
    )} as n(event_id, consumer, fence)
    where d.event_id = n.event_id and d.consumer = n.consumer and d.state in ('pending', 'leased', 'parked')
      and (n.fence = ${NO_FENCE}::int or d.state = 'leased' and d.fence = n.fence)`);
}

/** Tells whether the delivery is parked now. */
async function recordFailure(
  on: Queryable,
  schema: string,
  outcome: Outcome,
  failure: Failure,
): Promise<boolean> {
  const { eventId, consumer, attempts, fence } = outcome;
  const mine = fence === undefined ? sql`true` : sql`fence = ${fence}::int`;
  const isLast = attempts + 1 >= DELIVERY_ATTEMPTS;
  const lasts = sql`exists (select 1 from ${sql.identifier(schema)}.outbox o where o.id = ${eventId}::uuid
    and o.at < now() - ${DELIVERY_PATIENCE_HOURS}::int * interval '1 hour')`;
  const isParked = !isLast ? sql`false` : failure.mayPass ? lasts : sql`true`;
  const waitMs = backoffMs(attempts + 1, DELIVERY_BACKOFF_MS, DELIVERY_BACKOFF_MAX_MS);
  const [changed] = await change(
    on,
    schema,
    sql`state = case when ${isParked} then 'parked' else 'pending' end, attempts = attempts + 1,
      last_error = ${failure.message.slice(0, 500)}, trace = ${failure.trace ?? null}::text, due_at = now() + ${waitMs}::int * interval '1 millisecond'`,
    sql`event_id = ${eventId}::uuid and consumer = ${consumer} and state = 'leased'
      and attempts = ${attempts}::int and ${mine}`,
  );
  return changed?.state === 'parked';
}

/** Gives a delivery back that could be handed to nobody: that is no failure of its handler. */
export async function giveBack(database: Database, { event, consumer, fence }: Delivery): Promise<void> {
  await change(
    database,
    database.schema,
    sql`state = 'pending', due_at = now() + ${DELIVERY_REOFFER_MS}::int * interval '1 millisecond'`,
    sql`event_id = ${event.id}::uuid and consumer = ${consumer} and state = 'leased' and fence = ${fence}::int`,
  );
}

/** Makes every leased delivery due; only where it is certain that nobody holds one. */
export async function freeLeases(database: Database): Promise<void> {
  await change(database, database.schema, sql`due_at = now()`, sql`state = 'leased'`);
}

async function change(on: Queryable, schema: string, changes: SQL, where: SQL): Promise<{ state: string }[]> {
  return await on.rows<{ state: string }>(
    sql`update ${sql.identifier(schema)}.delivery set ${changes} where ${where} returning state`,
  );
}
