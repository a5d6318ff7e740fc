import { AppError, invariant } from '../errors.ts';
import { type DataOf, type EventEnvelope, type EventType, readData, versionsOf } from './event.ts';
import type { EventHandler, EventsHandler } from './inbox.ts';

/** An event that a module handles in any version of it, one at a time or several at once, with its handler. */
export type Subscription = { readonly event: EventType } & (
  | { readonly handler: EventHandler; readonly handlerOfMany?: never }
  | { readonly handlerOfMany: EventsHandler; readonly handler?: never }
);

/** Lets a module handle an event: `handler` gets the newest version, whichever was sent. */
export function handles<E extends EventType>(event: E, handler: EventHandler<DataOf<E>>): Subscription {
  return { event, handler: (received, once) => handler(newest(event, received), once) };
}

/**
 * Lets a module handle many events of one type in one transaction, which costs little more than one of them: for an
 * event that comes with each order. Whatever is to be handled at the same time in this process comes together.
 */
export function handlesTogether<E extends EventType>(
  event: E,
  handler: EventsHandler<DataOf<E>>,
): Subscription {
  return {
    event,
    async handlerOfMany(received, once) {
      const events = received.map((one) => newest(event, one));
      const newestOf = new Map(events.map((one) => [one.id, one]));
      await handler(events, (effect) =>
        once((tx, fresh) =>
          effect(
            tx,
            fresh.map(({ id }) => newestOf.get(id) as EventEnvelope<DataOf<E>>),
          ),
        ),
      );
    },
  };
}

function newest<E extends EventType>(event: E, received: EventEnvelope): EventEnvelope<DataOf<E>> {
  return { ...received, type: event.type, data: readData(event, received.type, received.data) };
}

/** Every version of the event that the module handles, as inboxes have them. */
export function typesOf({ event }: Subscription): string[] {
  return versionsOf(event).map(({ type }) => type);
}

/**
 * Finds the subscription to an event by the type it was sent as. Fails with `event_unknown` (unavailable) for a type
 * that this process does not know: a newer producer sent it, so it is for whoever replaces this process, and waits as
 * for an outage instead of being parked.
 */
export function createDispatch(
  consumer: string,
  subscriptions: readonly Subscription[],
): (event: Pick<EventEnvelope, 'type'>) => Subscription {
  const byType = new Map<string, Subscription>();
  for (const subscription of subscriptions) {
    for (const type of typesOf(subscription)) {
      invariant(!byType.has(type), `${consumer} handles ${type} once`);
      byType.set(type, subscription);
    }
  }
  return ({ type }) => {
    const subscription = byType.get(type);
    if (subscription) return subscription;
    throw new AppError('unavailable', 'event_unknown', `${consumer} in this version does not know ${type}`);
  };
}
