import { uuidv7 } from 'uuidv7';
import { z } from 'zod';
import { BROADCAST_BYTES, REDIS_TIMEOUT_MS } from '../limits.ts';
import type { Logger } from '../telemetry/log.ts';
import type { Redis } from './redis.ts';

/** Any JSON value. */
export type Message = z.core.util.JSONType;

export interface Subscriber<M> {
  /** What a message of this topic looks like; another process may run another version. */
  readonly schema: z.ZodType<M>;
  /** Must not throw. */
  onMessage(message: M): void;
  /** Messages of other processes may have been missed. Must not throw. */
  onGap(): void;
}

/**
 * Hints between the processes of one shop, as "product 7 has changed". One may get lost, and then nothing may be
 * wrong but a cache a little old: what must arrive is an event.
 */
export interface Broadcast {
  /**
   * Tells this process's subscribers before it returns, and the other processes' soon, if Redis is there. Never
   * throws. A message is JSON of 64 KiB at most, with room for its envelope.
   */
  publish(topic: string, message: Message): void;
  subscribe<M>(topic: string, subscriber: Subscriber<M>): void;
}

const envelopeSchema = z.strictObject({ origin: z.uuid(), topic: z.string(), message: z.json() });

/** Without Redis there is this process alone, which hears all it says. */
export function createBroadcast(redis: Redis | undefined, shopId: string, log: Logger): Broadcast {
  const origin = uuidv7();
  const channel = `banyan:${shopId}:broadcast`;
  const subscribers = new Map<string, Subscriber<unknown>[]>();

  function deliver(topic: string, message: unknown): void {
    for (const { schema, onMessage } of subscribers.get(topic) ?? []) {
      const parsed = schema.safeParse(message);
      if (parsed.success) onMessage(parsed.data);
      else log.warn({ topic }, 'a broadcast of another shape than expected was ignored');
    }
  }

  function receive(text: string): void {
    const envelope = Buffer.byteLength(text) > BROADCAST_BYTES ? undefined : parse(text);
    if (envelope === undefined) log.warn('a malformed broadcast was ignored');
    else if (envelope.origin !== origin) deliver(envelope.topic, envelope.message);
  }

  function tellOfGap(): void {
    for (const { onGap } of [...subscribers.values()].flat()) onGap();
  }

  if (redis) listen(redis, channel, receive, tellOfGap);
  return {
    publish(topic, message) {
      deliver(topic, message);
      const text = JSON.stringify({ origin, topic, message });
      // Who could not be told finds out by the age of what it holds.
      redis?.ask((connection) => connection.publish(channel, text), 'PUBLISH').catch(() => undefined);
    },
    subscribe<M>(topic: string, subscriber: Subscriber<M>) {
      subscribers.set(topic, [...(subscribers.get(topic) ?? []), subscriber as Subscriber<unknown>]);
    },
  };
}

/**
 * Hears a channel for ever. `tellOfGap` is called whenever hearing begins, the first time too, and after each
 * outage: what others had to say meanwhile they could not send.
 */
function listen(redis: Redis, channel: string, receive: (text: string) => void, tellOfGap: () => void): void {
  const connection = redis.connect({
    autoResubscribe: false,
    commandTimeout: REDIS_TIMEOUT_MS,
    maxRetriesPerRequest: 0,
  });
  // To subscribe again changes nothing, and shows whether the socket still has another end.
  const hear = () => {
    if (connection.status !== 'ready') return;
    connection.subscribe(channel).then(tellOfGap, () => connection.disconnect(true));
  };
  connection.on('message', (_, text) => receive(text));
  connection.on('ready', hear);
  redis.onBack(hear);
}

function parse(text: string): z.output<typeof envelopeSchema> | undefined {
  try {
    return envelopeSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
