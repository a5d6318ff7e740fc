import type { z } from 'zod';

/** A type of event: past tense with a version, as `order.paid.v1`, and the schema of its data. */
export interface EventType<Data extends z.ZodType = z.ZodType> {
  readonly type: string;
  readonly data: Data;
}

export function defineEvent<Data extends z.ZodType>(type: string, data: Data): EventType<Data> {
  return { type, data };
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
