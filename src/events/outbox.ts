import { sql } from 'drizzle-orm';
import { uuidv7 } from 'uuidv7';
import type { z } from 'zod';
import { currentContext } from '../context.ts';
import type { Transaction } from '../database/database.ts';
import { jsonRows } from '../database/sql.ts';
import { span } from '../telemetry/trace.ts';
import { formatTrace } from '../telemetry/trace-context.ts';
import type { EventType } from './event.ts';
import { eventSpan } from './event-span.ts';

/** Which modules handle which type of event, from the contracts of all modules, hosted here or not. */
export type Subscribers = ReadonlyMap<string, readonly string[]>;

/** Who handles events of this producer: a type's first part names the module that sends it. */
export function consumersOf(producer: string, subscribers: Subscribers): string[] {
  const own = [...subscribers].filter(([type]) => type.startsWith(`${producer}.`));
  return [...new Set(own.flatMap(([, consumers]) => consumers))];
}

export interface NewEvent<E extends EventType> {
  readonly stream: string;
  readonly version: number;
  readonly data: z.input<E['data']>;
}

export interface Outbox {
  /**
   * Writes the event and one delivery row per subscriber in the caller's transaction, so that the event exists
   * exactly when the change does. After the commit the relay is woken.
   */
  append<E extends EventType>(tx: Transaction, type: E, ...events: readonly NewEvent<E>[]): Promise<void>;
}

export function createOutbox(options: {
  schema: string;
  subscribers: Subscribers;
  /** Called after a commit that appended something. */
  wake: () => void;
}): Outbox {
  const schema = sql.identifier(options.schema);
  return {
    async append(tx, type, ...events) {
      if (events.length === 0) return;
      const entries = events.map((event) => ({
        id: uuidv7(),
        stream: event.stream,
        version: event.version,
        data: type.data.parse(event.data),
      }));
      const consumers = (options.subscribers.get(type.type) ?? []).map((consumer) => ({ consumer }));
      const made = eventSpan('create', {
        type: type.type,
        id: entries.length === 1 ? entries[0]?.id : undefined,
      });
      await span(made.name, made.options, async () => {
        const context = currentContext();
        const trace = context ? formatTrace(context) : null;
        await tx.rows(sql`
          with event as (
            insert into ${schema}.outbox (id, type, stream, version, data, trace)
            select id, ${type.type}, stream, version, data, ${trace}::text
            from jsonb_to_recordset(${jsonRows(entries)}) as e(id uuid, stream text, version bigint, data jsonb)
            returning id, stream, version
          )
          insert into ${schema}.delivery (event_id, consumer, stream, version)
          select event.id, c.consumer, event.stream, event.version
          from event cross join jsonb_to_recordset(${jsonRows(consumers)}) as c(consumer text)`);
      });
      tx.onCommit(options.wake);
    },
  };
}
