import type { z } from 'zod';
import { invariant } from '../errors.ts';

/** A type of event: past tense with a version, as `order.paid.v1`, and the schema of its data. */
export interface EventType<Data extends z.ZodType = z.ZodType> {
  readonly type: string;
  readonly data: Data;
  readonly older?: Older;
}

/** The version before, and how its data become this one's: `upcast` is pure, and never fails on what `from` takes. */
export interface Older<From extends EventType = EventType, Data extends z.ZodType = z.ZodType> {
  readonly from: From;
  // A method, so that an event of any data is an EventType.
  upcast(old: DataOf<From>): z.input<Data>;
}

/**
 * Declares a type of event. Data may gain members that are optional or have a default; anything else is a new
 * version, declared beside the old one:
 *
 *     const orderPaidV1 = defineEvent('order.paid.v1', z.object({ orderId: z.uuid() }));
 *     export const orderPaid = defineEvent('order.paid.v2', z.object({ orderId: z.uuid(), method: z.string() }), {
 *       from: orderPaidV1,
 *       upcast: ({ orderId }) => ({ orderId, method: 'card' }),
 *     });
 *
 * Only the newest is sent, and contracts consume the newest alone. While processes are replaced:
 *
 * - An event of v1, from a process not yet replaced or from before, has a delivery for whoever consumed v1. A
 *   consumer of v2 gets it upcast. Its id stays, so inboxes and audits know it as the same event.
 * - An event of v2 that meets a consumer not yet replaced waits for one that is, and holds back its stream. Replacing
 *   consumers before producers spares that wait; going back to the old version leaves v2 waiting.
 *
 * The old version may go once no outbox can hold it: OUTBOX_KEEP_DAYS after the last producer was replaced.
 */
export function defineEvent<Data extends z.ZodType, From extends EventType = EventType>(
  type: string,
  data: Data,
  older?: Older<From, Data>,
): EventType<Data> {
  const version = versionOf(type);
  if (older === undefined) return { type, data };
  const { from } = older;
  const isOlder = nameOf(from.type) === nameOf(type) && versionOf(from.type) < version;
  invariant(isOlder, `${from.type} is an older version of ${type}`);
  return { type, data, older: older as Older };
}

/** A type of event and its older versions, newest first. */
export function versionsOf(event: EventType): EventType[] {
  return event.older ? [event, ...versionsOf(event.older.from)] : [event];
}

/**
 * The data of an event sent as `type`, any version of `event`, as the newest has them. Throws when they do not fit
 * the version they were sent as, which sending made sure of.
 */
export function readData<E extends EventType>(event: E, type: string, data: unknown): DataOf<E> {
  if (type === event.type) return event.data.parse(data) as DataOf<E>;
  invariant(event.older, `${type} is a version of ${nameOf(event.type)}`);
  const { from, upcast } = event.older;
  return event.data.parse(upcast(readData(from, type, data))) as DataOf<E>;
}

function nameOf(type: string): string {
  return type.slice(0, type.lastIndexOf('.'));
}

function versionOf(type: string): number {
  const version = /^[a-z_]+\.[a-z_]+\.v([1-9]\d*)$/.exec(type)?.[1];
  invariant(version, `${type} is named <module>.<what happened>.v<number>`);
  return Number(version);
}

/** An event on its way to a consumer. */
export interface EventEnvelope<Data = unknown> {
  /** UUIDv7; the inbox knows an event by it. */
  readonly id: string;
  readonly type: string;
  /** The aggregate it belongs to, as `order:<id>`; a consumer sees one stream's events in order. */
  readonly stream: string;
  /** Rises along the stream; gaps are allowed, since not every change is published. */
  readonly version: number;
  /** RFC 3339, by the database's clock. */
  readonly at: string;
  readonly data: Data;
  /** W3C traceparent of the request that caused it. */
  readonly trace: string | null;
}

/** The data of an event type, as a handler receives it. */
export type DataOf<E extends EventType> = z.output<E['data']>;
