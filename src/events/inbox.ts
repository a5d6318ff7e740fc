import { sql } from 'drizzle-orm';
import type { Database, Transaction } from '../database/database.ts';
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
 * Hands `event` to `handler` and returns when its effect, or an earlier delivery's, is committed. Fails with
 * `event_overtaken` (conflict) for an event that was skipped and comes late, as by a job that was slow, when its
 * stream has gone on. `onEffect` hears, once the effect is committed and not for a repeat, how long after the event.
 */
export async function consume(
  database: Database,
  event: EventEnvelope,
  handler: EventHandler,
  onEffect?: (lagSeconds: number) => void,
): Promise<void> {
  const schema = sql.identifier(database.schema);
  let called = false;
  await handler(event, async (effect) => {
    invariant(!called, `the handler of ${event.type} calls once() a single time`);
    called = true;
    let lag: { atInsert: number; since: number } | undefined;
    await database.transaction(async (tx) => {
      const fresh = await tx.rows<{ lag: number }>(sql`
        insert into ${schema}.inbox (event_id, type, stream, version)
        select ${event.id}::uuid, ${event.type}::text, ${event.stream}::text, ${event.version}::bigint
        where not exists (select from ${schema}.inbox
          where stream = ${event.stream}::text and version > ${event.version}::bigint)
        on conflict (event_id) do nothing
        returning extract(epoch from clock_timestamp() - ${event.at}::text::timestamptz)::float8 as lag`);
      lag = fresh[0] && { atInsert: fresh[0].lag, since: performance.now() };
      if (lag) return await effect(tx);
      // A statement of its own, as the insert may have waited for another delivery of the event.
      const known = await tx.rows(
        sql`select 1 as known from ${schema}.inbox where event_id = ${event.id}::uuid`,
      );
      if (known.length === 0) throw overtaken(event);
    });
    // Two databases' clocks may be a little apart.
    if (lag) onEffect?.(Math.max(0, lag.atInsert + (performance.now() - lag.since) / 1000));
  });
  invariant(called, `the handler of ${event.type} calls once()`);
}

function overtaken({ id, stream }: EventEnvelope): AppError {
  return new AppError('conflict', 'event_overtaken', `${stream} has gone on since event ${id}`);
}
