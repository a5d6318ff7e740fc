import { sql } from 'drizzle-orm';
import type { Database, Transaction } from '../database/database.ts';
import { listRows } from '../database/sql.ts';
import { AppError, invariant } from '../errors.ts';
import type { EventEnvelope } from './event.ts';

/**
 * Runs the effect of a delivery, in one transaction with the inbox row that remembers it. For an event that was
 * handled before it does nothing: that is what makes "at least once" into "exactly once".
 */
export type Once = (effect: (tx: Transaction) => Promise<void>) => Promise<void>;

/**
 * Handles one event. It may read and call other modules first; what it changes, it changes inside `once`, which
 * it must call exactly once. Throwing means "deliver again later".
 */
export type EventHandler<Data = unknown> = (event: EventEnvelope<Data>, once: Once) => Promise<void>;

/**
 * Runs the effect of several deliveries in one transaction with their inbox rows. `effect` gets those that were not
 * handled before, each once and those of one stream in order; it is not called when there are none.
 */
export type OnceTogether<Data = unknown> = (
  effect: (tx: Transaction, fresh: readonly EventEnvelope<Data>[]) => Promise<void>,
) => Promise<void>;

/**
 * Handles several events of one type as an `EventHandler` does one. It runs in the context of one of them; the
 * `trace` of each is that of its own try. When it throws, each event is handled alone, so that it fails for what it
 * is to blame for.
 */
export type EventsHandler<Data = unknown> = (
  events: readonly EventEnvelope<Data>[],
  once: OnceTogether<Data>,
) => Promise<void>;

/** Hears, once an event's effect is committed and not for a repeat, how long after the event that was. */
export type OnEffect = (event: EventEnvelope, lagSeconds: number) => void;

/**
 * Hands `event` to `handler` and returns when its effect, or an earlier delivery's, is committed. Fails with
 * `event_overtaken` (conflict) for an event that was skipped and comes late, as by a job that was slow, when its
 * stream has gone on.
 */
export async function consume(
  database: Database,
  event: EventEnvelope,
  handler: EventHandler,
  onEffect?: OnEffect,
): Promise<void> {
  const once = callableOnce(event, async (effect: Parameters<Once>[0]) => {
    const late = await recordOnce(database, [event], (tx) => effect(tx), { onEffect });
    if (late.has(event.id)) throw overtaken(event);
  });
  await handler(event, once.call);
  once.check();
}

/**
 * Hands `events`, at least one and all of one type, to `handler` at once, and returns when their effects are
 * committed, in one transaction, which `givesWay` as `Database.transaction` has it. Tells for each, in their order, why
 * it was refused (`event_overtaken`, as `consume` has it), which keeps back none of the others, or null. When it
 * rejects nothing is done, unless that is unknown.
 */
export async function consumeTogether(
  database: Database,
  events: readonly EventEnvelope[],
  handler: EventsHandler,
  options: { readonly onEffect?: OnEffect; readonly givesWay?: boolean } = {},
): Promise<(AppError | null)[]> {
  const [first] = events;
  invariant(first, 'there is an event to handle');
  let late: ReadonlySet<string> = new Set();
  const once = callableOnce(first, async (effect: Parameters<OnceTogether>[0]) => {
    late = await recordOnce(database, events, effect, options);
  });
  await handler(events, once.call);
  once.check();
  return events.map((event) => (late.has(event.id) ? overtaken(event) : null));
}

function callableOnce<Effect>({ type }: EventEnvelope, run: (effect: Effect) => Promise<void>) {
  let called = false;
  return {
    call: async (effect: Effect) => {
      invariant(!called, `the handler of ${type} calls once() a single time`);
      called = true;
      await run(effect);
    },
    check: () => invariant(called, `the handler of ${type} calls once()`),
  };
}

/** Records the events and runs the effect of the fresh ones; tells the ids of those that their stream has overtaken. */
async function recordOnce(
  database: Database,
  events: readonly EventEnvelope[],
  effect: (tx: Transaction, fresh: readonly EventEnvelope[]) => Promise<void>,
  { onEffect, ...options }: { readonly onEffect?: OnEffect; readonly givesWay?: boolean },
): Promise<ReadonlySet<string>> {
  const done = await database.transaction(async (tx) => {
    const lags = await insertFresh(tx, database.schema, events);
    const insertedAt = performance.now();
    const fresh = pickInOrder(events, lags);
    if (fresh.length > 0) await effect(tx, fresh);
    const late = new Set(events.map(({ id }) => id).filter((id) => !lags.has(id)));
    // A statement of its own, as the insert may have waited for another delivery of an event.
    if (late.size > 0) {
      for (const { id } of await findKnown(tx, database.schema, [...late])) late.delete(id);
    }
    return { fresh, lags, insertedAt, late };
  }, options);
  const sinceInsert = (performance.now() - done.insertedAt) / 1000;
  // Two databases' clocks may be a little apart.
  for (const event of done.fresh) onEffect?.(event, Math.max(0, done.lags.get(event.id)! + sinceInsert));
  return done.late;
}

/**
 * Inserts those that were not handled before, and tells how old they are, in seconds. In an order that follows the
 * streams, and is the same for everybody who inserts: so two of them never wait for each other in a circle.
 */
async function insertFresh(
  tx: Transaction,
  name: string,
  events: readonly EventEnvelope[],
): Promise<ReadonlyMap<string, number>> {
  const schema = sql.identifier(name);
  const rows = await tx.rows<{ id: string; lag: number }>(sql`
    with event as (
      select * from ${listRows(
        ['uuid', events.map(({ id }) => id)],
        ['text', events.map(({ type }) => type)],
        ['text', events.map(({ stream }) => stream)],
        ['bigint', events.map(({ version }) => version)],
        ['text', events.map(({ at }) => at)],
      )} as e(id, type, stream, version, at)
    ), fresh as (
      insert into ${schema}.inbox (event_id, type, stream, version)
      select id, type, stream, version from event
      where coalesce(version >= (select max(i.version) from ${schema}.inbox i where i.stream = event.stream), true)
      order by version, id
      on conflict (event_id) do nothing
      returning event_id
    )
    select id, extract(epoch from clock_timestamp() - at::timestamptz)::float8 as lag
    from fresh join event on id = event_id`);
  return new Map(rows.map(({ id, lag }) => [id, lag]));
}

async function findKnown(tx: Transaction, name: string, ids: readonly string[]): Promise<{ id: string }[]> {
  const schema = sql.identifier(name);
  return await tx.rows(sql`
    select e.id from ${listRows(['uuid', ids])} as e(id) join ${schema}.inbox i on i.event_id = e.id`);
}

/** The fresh ones among `events`, each once, and those of one stream in order. */
function pickInOrder(events: readonly EventEnvelope[], fresh: ReadonlyMap<string, unknown>): EventEnvelope[] {
  const byId = new Map(events.filter(({ id }) => fresh.has(id)).map((event) => [event.id, event]));
  return [...byId.values()].sort((one, other) => one.version - other.version);
}

function overtaken({ id, stream }: EventEnvelope): AppError {
  return new AppError('conflict', 'event_overtaken', `${stream} has gone on since event ${id}`);
}
