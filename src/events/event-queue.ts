import { z } from 'zod';
import type { Database } from '../database/database.ts';
import { failpoint } from '../failpoint.ts';
import type { QueueHandlers, Queues } from '../redis/queues.ts';
import type { Logger } from '../telemetry/log.ts';
import { type Consume, handle, settle } from './handle.ts';
import type { Carrier } from './relay.ts';

const deliverySchema = z.object({
  producer: z.string(),
  attempts: z.int().min(0),
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
  failure: z.object({ message: z.string(), mayPass: z.boolean() }).nullable(),
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
    async send({ event, consumer, attempts }) {
      // One job a try: a lease that runs out while the job still waits sends nothing new.
      const job = { name: EVENT, id: `evt-${event.id}-${attempts}`, data: { producer, attempts, event } };
      await queues.send(consumer, job);
      failpoint('after-enqueue');
    },
  };
}

/** A module of this process, as far as its queue is concerned. */
export interface QueueMember {
  readonly name: string;
  readonly database: Database;
  readonly consume: Consume;
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
    await settle(producer.database, outcome, log);
    producer.wake();
  }

  return {
    async [EVENT](data) {
      const { producer, event, attempts } = deliverySchema.parse(data);
      const consumer = member.name;
      const failure = await handle({ event, consumer, attempts }, member.consume, log);
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
