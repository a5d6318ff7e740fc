import { createBatch } from '../batch.ts';
import { currentContext } from '../context.ts';
import type { Database } from '../database/database.ts';
import type { AppError } from '../errors.ts';
import { meetObstacle } from '../failpoint.ts';
import { EVENTS_LANES, EVENTS_TOGETHER } from '../limits.ts';
import { formatTrace } from '../telemetry/trace-context.ts';
import type { EventEnvelope } from './event.ts';
import type { Consume } from './handle.ts';
import { consume, consumeTogether, type EventsHandler } from './inbox.ts';
import { createDispatch, type Subscription, typesOf } from './subscription.ts';

/** How a module of this process handles events. */
export interface Consumer {
  readonly consume: Consume;
  /** Whether events of this type are handled together. */
  gathers(type: string): boolean;
}

/**
 * Handles the events of one module in this process, whichever way they come. Those of a type that the module
 * `handlesTogether` are gathered: what comes while some are handled is handled after them in one transaction.
 *
 * One that has failed before is handled alone: a failure that may pass, as a statement that took too long, is told of
 * all that were handled together, and must not be theirs twice.
 */
export function createConsumer(options: {
  name: string;
  database: Database;
  subscriptions: readonly Subscription[];
  /** Hears of each effect, how long after its event it was committed. */
  handled: (type: string, lagSeconds: number) => void;
}): Consumer {
  const { name, database, subscriptions } = options;
  const subscriptionTo = createDispatch(name, subscriptions);
  const onEffect = ({ type }: EventEnvelope, lagSeconds: number) => options.handled(type, lagSeconds);

  function createGatherer(handler: EventsHandler): Consume {
    const run = (events: readonly EventEnvelope[], isAlone: boolean) =>
      consumeTogether(database, events, handler, { onEffect, givesWay: !isAlone });
    const gather = createBatch<EventEnvelope, AppError | null>({
      run,
      max: EVENTS_TOGETHER,
      lanes: EVENTS_LANES,
      eager: true,
    });
    return async (event, failedTries = 0) => {
      const tried = withOwnTrace(event);
      const refused = failedTries > 0 ? (await run([tried], true))[0] : await gather(tried);
      if (refused) throw refused;
    };
  }

  const consumes = new Map<Subscription, Consume>();
  for (const subscription of subscriptions) {
    const { handler, handlerOfMany } = subscription;
    if (handler) consumes.set(subscription, (event) => consume(database, event, handler, onEffect));
    else consumes.set(subscription, createGatherer(handlerOfMany));
  }
  const gathered = new Set(
    subscriptions.filter(({ handlerOfMany }) => handlerOfMany !== undefined).flatMap(typesOf),
  );
  return {
    async consume(event, failedTries) {
      const consumeIt = consumes.get(subscriptionTo(event))!;
      await meetObstacle(name, event);
      await consumeIt(event, failedTries);
    },
    gathers: (type) => gathered.has(type),
  };
}

/** Events that are handled together share one context, so each takes along in which trace it is handled. */
function withOwnTrace(event: EventEnvelope): EventEnvelope {
  const context = currentContext();
  return context ? { ...event, trace: formatTrace(context) } : event;
}
