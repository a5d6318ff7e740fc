import { sql } from 'drizzle-orm';
import { uuidv7 } from 'uuidv7';
import type { z } from 'zod';
import { currentContext } from '../context.ts';
import type { Transaction } from '../database/database.ts';
import { listRows } from '../database/sql.ts';
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
      const ids = events.map(() => uuidv7());
      const made = eventSpan('create', { type: type.type, id: ids.length === 1 ? ids[0] : undefined });
      const consumers = options.subscribers.get(type.type) ?? [];
      await span(made.name, made.options, async () => {
        const context = currentContext();
        const trace = context ? formatTrace(context) : null;
        const rows = listRows(
          ['uuid', ids],
          ['text', events.map(({ stream }) => stream)],
          ['bigint', events.map(({ version }) => version)],
          ['text', events.map(({ data }) => JSON.stringify(type.data.parse(data)))],
        );
        await tx.rows(sql`
          with event as (
            insert into ${schema}.outbox (id, type, stream, version, data, trace)
            select id, ${type.type}, stream, version, data::jsonb, ${trace}::text
            from ${rows} as e(id, stream, version, data)
            returning id, stream, version
          )
          insert into ${schema}.delivery (event_id, consumer, stream, version)
          select event.id, c.consumer, event.stream, event.version
          from event cross join ${listRows(['text', consumers])} as c(consumer)`);
      });
      if (consumers.length > 0) tx.onCommit(options.wake);
    },
  };
}
