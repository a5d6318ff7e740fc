import { createBatch } from '../batch.ts';
import { currentContext, type WorkIds, withOrderOf } from '../context.ts';
import type { Database } from '../database/database.ts';
import { withDeadline } from '../deadline.ts';
import { isUnavailable } from '../errors.ts';
import { DELIVERY_LEASE_MS, OUTCOMES_TOGETHER } from '../limits.ts';
import type { Logger } from '../telemetry/log.ts';
import { enter, nameFailure } from '../telemetry/trace.ts';
import { formatTrace, parseTrace } from '../telemetry/trace-context.ts';
import { type Delivery, type Failure, type Outcome, recordOutcomes } from './delivery-store.ts';
import type { EventEnvelope } from './event.ts';
import { eventSpan } from './event-span.ts';

/**
 * Hands an event to its consumer and resolves once the consumer's inbox has recorded it. `failedTries` is how often
 * it has failed before, 0 unless given.
 */
export type Consume = (event: EventEnvelope, failedTries?: number) => Promise<void>;

/**
 * Lets a consumer of this process handle a delivery, in the trace of the request that caused it and within the
 * time of a lease. Resolves with why it failed, or null.
 *
 * Each try is a span of its own below the one that wrote the event, and linked to it, as the conventions want for
 * whoever takes messages in batches; one that follows a failed try is linked to that as well.
 */
export async function handle(
  delivery: Pick<Delivery, 'event' | 'consumer' | 'attempts' | 'failedIn'>,
  consume: Consume,
  log: Logger,
): Promise<Failure | null> {
  const { event, consumer, attempts } = delivery;
  const parent = parseTrace(event.trace);
  const links = [parent, parseTrace(delivery.failedIn)];
  const { name, options } = eventSpan('process', { ...event, consumer, attempts, links });
  const context = { requestId: `event-${event.id}`, ids: idsOf(event) };
  return await enter(name, { ...options, parent }, context, async (span) => {
    try {
      await withDeadline(consume(event, attempts), DELIVERY_LEASE_MS, `${consumer} handling ${event.type}`);
      return null;
    } catch (error) {
      const fields = { err: error, eventId: event.id, type: event.type, consumer, attempts: attempts + 1 };
      log.warn(fields, 'event handler failed');
      span.fail(nameFailure(error));
      const here = currentContext();
      return {
        message: error instanceof Error ? error.message : String(error),
        mayPass: isUnavailable(error),
        trace: here ? formatTrace(here) : null,
      };
    }
  });
}

/** A stream is named by what it is of, as `order:<id>`; payments and products tell their order among their data. */
function idsOf({ id, stream, data }: EventEnvelope): WorkIds {
  if (!stream.startsWith('order:')) return withOrderOf(data, { eventId: id });
  return { eventId: id, orderId: stream.slice('order:'.length) };
}

/** Writes down what became of a delivery, and tells operators when they are needed. */
export type Settle = (outcome: Outcome) => Promise<void>;

/** How the outcomes of one sender's deliveries are written down: those that come at the same time in one statement. */
export function createSettle(options: {
  database: Database;
  /** Told of each try whose outcome is written down. */
  tried?: (consumer: string, came: 'done' | 'failed' | 'parked') => void;
  log: Logger;
}): Settle {
  const { database, tried, log } = options;
  const record = createBatch<Outcome, boolean>({
    run: (outcomes) => recordOutcomes(database, outcomes),
    max: OUTCOMES_TOGETHER,
  });
  return async (outcome) => {
    const { eventId, consumer, failure } = outcome;
    const parked = await record(outcome);
    tried?.(consumer, parked ? 'parked' : failure === null ? 'done' : 'failed');
    if (parked) log.error({ eventId, consumer }, 'event parked: retry or skip it with `banyan events`');
  };
}
