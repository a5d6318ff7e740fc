import { z } from 'zod';
import { failpoint } from '../failpoint.ts';
import type { QueueHandlers, Queues } from '../redis/queues.ts';
import type { Logger } from '../telemetry/log.ts';
import { enter } from '../telemetry/trace.ts';
import { parseTrace } from '../telemetry/trace-context.ts';
import { eventSpan } from './event-span.ts';
import { type Consume, handle, type Settle } from './handle.ts';
import type { Carrier } from './relay.ts';

const deliverySchema = z.object({
  producer: z.string(),
  attempts: z.int().min(0),
  failedIn: z.string().nullish(),
  event: z.object({
    id: z.uuid(),
    type: z.string(),
    stream: z.string(),
    version: z.int(),
    at: z.iso.datetime(),
    data: z.unknown(),
    trace: z.string().nullable(),
  }),
});

const outcomeSchema = z.object({
  eventId: z.uuid(),
  consumer: z.string(),
  attempts: z.int().min(0),
  failure: z.object({ message: z.string(), mayPass: z.boolean(), trace: z.string().nullish() }).nullable(),
});

/** Names of the jobs in a module's queue: an event to handle, and word of what became of one the module sent. */
const EVENT = 'event';
const OUTCOME = 'outcome';

/** Hands a producer's deliveries to the queues of their consumers. */
export function createCarrier(producer: string, queues: Queues): Carrier {
  return {
    get available() {
      return queues.available;
    },
    async send({ event, consumer, attempts, failedIn }) {
      // One job a try: a lease that runs out while the job still waits sends nothing new.
      const data = { producer, attempts, failedIn, event };
      const job = { name: EVENT, id: `evt-${event.id}-${attempts}`, data };
      const { name, options } = eventSpan('send', { ...event, consumer, attempts });
      const trace = { ...options, parent: parseTrace(event.trace) };
      await enter(name, trace, { requestId: `event-${event.id}` }, () => queues.send(consumer, job));
      failpoint('after-enqueue');
    },
  };
}

/** A module of this process, as far as its queue is concerned. */
export interface QueueMember {
  readonly name: string;
  readonly consume: Consume;
  /** Writes down what became of an event that it sent. */
  readonly settle: Settle;
  /** Looks for deliveries that may go now. */
  wake(): void;
}

/**
 * What a module does with its queue's jobs about events. An event is handled, and its producer told: by its row
 * where the producer is in this process too (`find`), else through the producer's queue. Should that word get
 * lost, the event comes again, and the inbox makes it nothing.
 */
export function eventJobs(
  member: QueueMember,
  queues: Queues,
  find: (module: string) => QueueMember | undefined,
  log: Logger,
): QueueHandlers {
  async function record(producer: QueueMember, outcome: z.output<typeof outcomeSchema>): Promise<void> {
    await producer.settle(outcome);
    producer.wake();
  }

  return {
    async [EVENT](data) {
      const { producer, event, attempts, failedIn } = deliverySchema.parse(data);
      const consumer = member.name;
      const failure = await handle({ event, consumer, attempts, failedIn }, member.consume, log);
      const outcome = { eventId: event.id, consumer, attempts, failure };
      const sender = find(producer);
      if (sender) return await record(sender, outcome);
      const id = `out-${event.id}-${consumer}-${attempts}`;
      await queues.send(producer, { name: OUTCOME, id, data: outcome });
    },
    async [OUTCOME](data) {
      await record(member, outcomeSchema.parse(data));
    },
  };
}
