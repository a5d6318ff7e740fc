import { sql } from 'drizzle-orm';
import type { Database, Transaction } from '../database/database.ts';
import { invariant } from '../errors.ts';
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

/** Hands `event` to `handler` and returns when its effect, or an earlier delivery's, is committed. */
export async function consume(
  database: Database,
  event: EventEnvelope,
  handler: EventHandler,
): Promise<void> {
  const schema = sql.identifier(database.schema);
  let called = false;
  await handler(event, async (effect) => {
    invariant(!called, `the handler of ${event.type} calls once() a single time`);
    called = true;
    await database.transaction(async (tx) => {
      const fresh = await tx.rows(sql`
        insert into ${schema}.inbox (event_id, type, stream, version)
        values (${event.id}, ${event.type}, ${event.stream}, ${event.version})
        on conflict (event_id) do nothing
        returning event_id`);
      if (fresh.length > 0) await effect(tx);
    });
  });
  invariant(called, `the handler of ${event.type} calls once()`);
}
