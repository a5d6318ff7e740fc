import { AppError, invariant } from '../errors.ts';
import { type DataOf, type EventEnvelope, type EventType, readData, versionsOf } from './event.ts';
import type { EventHandler } from './inbox.ts';

/** An event that a module handles, with its handler. */
export interface Subscription {
  readonly event: EventType;
  /** Handles the event in any version of it. */
  readonly handler: EventHandler;
}

/** Lets a module handle an event: `handler` gets the newest version, whichever was sent. */
export function handles<E extends EventType>(event: E, handler: EventHandler<DataOf<E>>): Subscription {
  return {
    event,
    async handler(received, once) {
      const data = readData(event, received.type, received.data);
      await handler({ ...received, type: event.type, data }, once);
    },
  };
}

/** Every version of the event that the module handles, as inboxes have them. */
export function typesOf({ event }: Subscription): string[] {
  return versionsOf(event).map(({ type }) => type);
}

/**
 * Finds the handler of an event by the type it was sent as. Fails with `event_unknown` (unavailable) for a type that
 * this process does not know: a newer producer sent it, so it is for whoever replaces this process, and waits as for
 * an outage instead of being parked.
 */
export function createDispatch(
  consumer: string,
  subscriptions: readonly Subscription[],
): (event: Pick<EventEnvelope, 'type'>) => EventHandler {
  const handlers = new Map<string, EventHandler>();
  for (const subscription of subscriptions) {
    for (const type of typesOf(subscription)) {
      invariant(!handlers.has(type), `${consumer} handles ${type} once`);
      handlers.set(type, subscription.handler);
    }
  }
  return ({ type }) => {
    const handler = handlers.get(type);
    if (handler) return handler;
    throw new AppError('unavailable', 'event_unknown', `${consumer} in this version does not know ${type}`);
  };
}
