import { orderIdIn, runInContext, type WorkIds } from '../context.ts';
import type { Database } from '../database/database.ts';
import { withDeadline } from '../deadline.ts';
import { isUnavailable } from '../errors.ts';
import { DELIVERY_LEASE_MS } from '../limits.ts';
import type { Logger } from '../telemetry/log.ts';
import { newTrace, parseTraceparent } from '../telemetry/trace-context.ts';
import { type Failure, type Outcome, recordOutcome } from './delivery-store.ts';
import type { EventEnvelope } from './event.ts';

/** Hands an event to its consumer and resolves once the consumer's inbox has recorded it. */
export type Consume = (event: EventEnvelope) => Promise<void>;

/**
 * Lets a consumer of this process handle a delivery, in the trace of the request that caused it and within the
 * time of a lease. Resolves with why it failed, or null.
 */
export async function handle(
  delivery: { event: EventEnvelope; consumer: string; attempts: number },
  consume: Consume,
  log: Logger,
): Promise<Failure | null> {
  const { event, consumer, attempts } = delivery;
  const caller = parseTraceparent(event.trace) ?? newTrace();
  try {
    await runInContext({ requestId: `event-${event.id}`, ...caller, ids: idsOf(event) }, () =>
      withDeadline(consume(event), DELIVERY_LEASE_MS, `${consumer} handling ${event.type}`),
    );
    return null;
  } catch (error) {
    const fields = { err: error, eventId: event.id, type: event.type, consumer, attempts: attempts + 1 };
    log.warn(fields, 'event handler failed');
    return {
      message: error instanceof Error ? error.message : String(error),
      mayPass: isUnavailable(error),
    };
  }
}

/** A stream is named by what it is of, as `order:<id>`; payments and products tell their order among their data. */
function idsOf({ id, stream, data }: EventEnvelope): WorkIds {
  const orderId = stream.startsWith('order:') ? stream.slice('order:'.length) : orderIdIn(data);
  return orderId === undefined ? { eventId: id } : { eventId: id, orderId };
}

/** Writes down what became of a delivery of `database`'s module, and tells operators when they are needed. */
export async function settle(database: Database, outcome: Outcome, log: Logger): Promise<void> {
  const { parked } = await recordOutcome(database, outcome);
  if (!parked) return;
  const { eventId, consumer } = outcome;
  log.error({ eventId, consumer }, 'event parked: retry or skip it with `banyan events`');
}
