import { type SQL, sql } from 'drizzle-orm';
import { runInContext } from '../context.ts';
import type { Database } from '../database/database.ts';
import { isoTime } from '../database/sql.ts';
import { backoffMs, sleep, withDeadline } from '../deadline.ts';
import {
  DELIVERY_ATTEMPTS,
  DELIVERY_BACKOFF_MAX_MS,
  DELIVERY_BACKOFF_MS,
  DELIVERY_LEASE_MS,
  RELAY_BATCH,
  RELAY_CONCURRENCY,
  RELAY_POLL_MS,
} from '../limits.ts';
import type { Logger } from '../telemetry/log.ts';
import { newTrace, parseTraceparent } from '../telemetry/trace-context.ts';
import type { EventEnvelope } from './event.ts';

/** Takes a delivery to its consumer and resolves once the consumer's inbox has recorded it. */
export type Transport = (consumer: string, event: EventEnvelope) => Promise<void>;

interface Delivery {
  id: string;
  type: string;
  stream: string;
  version: number;
  at: string;
  data: unknown;
  trace: string | null;
  consumer: string;
  fence: number;
  attempts: number;
}

export interface Relay {
  start(): void;
  /** Looks for due deliveries now; calls while it is looking add up to one more look. */
  wake(): void;
  /** Resolves when the deliveries in flight have ended; no new ones are claimed. */
  stop(): Promise<void>;
  /** Frees every lease; only where it is certain that no other process lives. */
  freeLeases(): Promise<void>;
}

/**
 * Carries one module's outbox to its consumers. Several relays may run on the same rows: claims skip locked rows
 * and hold a lease on the database's clock. Only the lowest unfinished version of each stream is claimed, so a
 * consumer sees an aggregate's events in order and a parked one holds back those behind it.
 */
export function createRelay(options: {
  database: Database;
  /** Consumers reached from this process. */
  consumers: readonly string[];
  transport: Transport;
  log: Logger;
}): Relay {
  const { database, transport, log } = options;
  const stopping = new AbortController();
  let loops: Promise<void>[] = [];
  const waiters = new Set<() => void>();
  let generation = 0;

  function wake(): void {
    generation += 1;
    for (const wakeOne of waiters) wakeOne();
  }

  async function pause(seen: number): Promise<void> {
    if (generation !== seen) return;
    const woken = Promise.withResolvers<void>();
    waiters.add(woken.resolve);
    const timer = new AbortController();
    await Promise.race([
      woken.promise,
      sleep(RELAY_POLL_MS, AbortSignal.any([timer.signal, stopping.signal])),
    ]);
    timer.abort();
    waiters.delete(woken.resolve);
  }

  async function loop(consumer: string): Promise<void> {
    while (!stopping.signal.aborted) {
      const seen = generation;
      const moved = await drain(consumer).catch((error: unknown) => {
        log.error({ err: error, consumer }, 'relay could not claim deliveries');
        return 0;
      });
      if (moved === 0) await pause(seen);
    }
  }

  /** Claims and delivers one batch; the count says whether looking again at once is worth it. */
  async function drain(consumer: string): Promise<number> {
    const batch = await claimDeliveries(database, consumer, RELAY_BATCH);
    let next = 0;
    const lanes = Array.from({ length: Math.min(RELAY_CONCURRENCY, batch.length) }, async () => {
      for (let delivery = batch[next++]; delivery; delivery = batch[next++]) await deliver(delivery);
    });
    await Promise.all(lanes);
    return batch.length;
  }

  async function deliver(delivery: Delivery): Promise<void> {
    const { consumer, fence, attempts, ...event } = delivery;
    const caller = parseTraceparent(event.trace) ?? newTrace();
    try {
      await runInContext({ requestId: `event-${event.id}`, ...caller }, () =>
        withDeadline(transport(consumer, event), DELIVERY_LEASE_MS, `${consumer} handling ${event.type}`),
      );
      await settle(delivery, sql`state = 'done', last_error = null`);
    } catch (error) {
      const parked = attempts >= DELIVERY_ATTEMPTS;
      const fields = { err: error, eventId: event.id, type: event.type, consumer, attempts };
      if (parked) log.error(fields, 'event parked: retry or skip it with `banyan events`');
      else log.warn(fields, 'event handler failed, will be tried again');
      const message = error instanceof Error ? error.message : String(error);
      const waitMs = backoffMs(attempts, DELIVERY_BACKOFF_MS, DELIVERY_BACKOFF_MAX_MS);
      await settle(
        delivery,
        sql`state = ${parked ? 'parked' : 'pending'}, last_error = ${message.slice(0, 500)},
            due_at = now() + ${waitMs}::int * interval '1 millisecond'`,
      ).catch((cause: unknown) => {
        // The lease runs out by itself, and the delivery is claimed again.
        log.warn({ err: cause, eventId: event.id }, 'could not record a failed delivery');
      });
    }
  }

  /** Writes the outcome, unless the lease was lost meanwhile: then the fence is another's. */
  async function settle(delivery: Delivery, change: SQL): Promise<void> {
    await database.rows(sql`
      update ${sql.identifier(database.schema)}.delivery set ${change}
      where event_id = ${delivery.id} and consumer = ${delivery.consumer}
        and state = 'leased' and fence = ${delivery.fence}`);
  }

  return {
    start() {
      loops = options.consumers.map(loop);
    },
    wake,
    async freeLeases() {
      await database.rows(sql`
        update ${sql.identifier(database.schema)}.delivery set due_at = now() where state = 'leased'`);
    },
    async stop() {
      stopping.abort();
      wake();
      await Promise.all(loops);
    },
  };
}

/** Leases up to `limit` due deliveries, each the lowest unfinished one of its stream. */
async function claimDeliveries(database: Database, consumer: string, limit: number): Promise<Delivery[]> {
  const schema = sql.identifier(database.schema);
  return await database.rows<Delivery>(sql`
    with due as (
      select d.event_id from ${schema}.delivery d
      where d.consumer = ${consumer} and d.state in ('pending', 'leased') and d.due_at <= now()
        and not exists (
          select 1 from ${schema}.delivery earlier
          where earlier.consumer = d.consumer and earlier.stream = d.stream and earlier.version < d.version
            and earlier.state in ('pending', 'leased', 'parked'))
      order by d.due_at
      limit ${limit}
      for update skip locked
    ), leased as (
      update ${schema}.delivery d
      set state = 'leased', fence = d.fence + 1, attempts = d.attempts + 1,
          due_at = now() + ${DELIVERY_LEASE_MS}::int * interval '1 millisecond'
      from due where d.event_id = due.event_id and d.consumer = ${consumer}
      returning d.event_id, d.consumer, d.fence, d.attempts
    )
    select o.id, o.type, o.stream, o.version, ${isoTime(sql`o.at`)} as at, o.data, o.trace,
           l.consumer, l.fence, l.attempts
    from leased l join ${schema}.outbox o on o.id = l.event_id
    order by o.stream, o.version`);
}
