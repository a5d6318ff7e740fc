import type { Database } from '../database/database.ts';
import {
  DELIVERY_LEASE_MS,
  RELAY_BATCH,
  RELAY_CONCURRENCY,
  RELAY_OVERLAP,
  RELAY_POLL_MS,
} from '../limits.ts';
import type { Logger } from '../telemetry/log.ts';
import { claimDeliveries, type Delivery, freeLeases, giveBack } from './delivery-store.ts';
import { type Consume, handle, type Settle } from './handle.ts';

/** Hands a delivery to whichever process hosts its consumer; see `createEventQueue`. */
export interface Carrier {
  readonly available: boolean;
  /** Rejects when it could not be handed over; what becomes of it is recorded by whoever handles it. */
  send(delivery: Delivery): Promise<void>;
}

export interface Relay {
  start(): void;
  /** Looks for due deliveries now; calls while it is looking add up to one more look. */
  wake(): void;
  /** Resolves when the deliveries in flight have ended; no new ones are claimed. */
  stop(): Promise<void>;
  /** Rises whenever a consumer's loop gets something done: it has looked for deliveries, or one has ended. */
  turns(consumer: string): number;
  /** Frees every lease; only where it is certain that no other process lives. */
  freeLeases(): Promise<void>;
}

/**
 * Carries one module's outbox to its consumers. A consumer in this process is called straight away; any other one,
 * and every retry, is handed to the carrier, so that any process of the consumer may take it. Without a carrier
 * what can be is done here.
 *
 * Several relays may run on the same rows: claims skip locked rows and hold a lease on the database's clock. Only
 * the lowest unfinished version of each stream is claimed, so a consumer sees an aggregate's events in order and a
 * parked one holds back those behind it.
 */
export function createRelay(options: {
  database: Database;
  consumers: readonly string[];
  /** The handler of a consumer in this process. */
  local: (consumer: string) => Consume | undefined;
  /** Whether that handler gathers events of a type, to handle them together. */
  gathers?: (consumer: string, type: string) => boolean;
  carrier?: Carrier;
  settle: Settle;
  log: Logger;
}): Relay {
  const { database, carrier, log } = options;
  const stopping = new AbortController();
  let loops: Promise<void>[] = [];
  const loopOf = new Map(options.consumers.map((consumer) => [consumer, createWaker()]));
  const turns = new Map(options.consumers.map((consumer) => [consumer, 0]));

  function turned(consumer: string): void {
    turns.set(consumer, (turns.get(consumer) ?? 0) + 1);
  }

  function wake(): void {
    for (const waker of loopOf.values()) waker.wake();
  }

  async function loop(consumer: string, waker: Waker): Promise<void> {
    const underWay = new Set<Promise<void>>();
    let deliveries = 0;
    while (!stopping.signal.aborted) {
      const seen = waker.calls();
      const batch = await claim(consumer);
      if (batch.length > 0) {
        deliveries += batch.length;
        const delivering = deliverAll(consumer, batch).finally(() => {
          deliveries -= batch.length;
          underWay.delete(delivering);
          // What comes next in their streams may go now.
          waker.wake();
        });
        underWay.add(delivering);
      }
      // Beyond a few, what comes meanwhile is gathered for one claim.
      while (deliveries >= RELAY_OVERLAP) await Promise.race(underWay);
      await waker.pause(seen);
    }
    await Promise.all(underWay);
  }

  async function claim(consumer: string): Promise<Delivery[]> {
    try {
      const batch = await claimDeliveries(database, consumer, RELAY_BATCH);
      turned(consumer);
      return batch;
    } catch (error) {
      log.error({ err: error, consumer }, 'relay could not claim deliveries');
      return [];
    }
  }

  async function deliverAll(consumer: string, batch: readonly Delivery[]): Promise<void> {
    const claimedAt = performance.now();
    const oneByOne: Delivery[] = [];
    const atOnce: Delivery[] = [];
    for (const delivery of batch) (isGathered(delivery) ? atOnce : oneByOne).push(delivery);
    let next = 0;
    const lanes = Array.from({ length: Math.min(RELAY_CONCURRENCY, oneByOne.length) }, async () => {
      for (let delivery = oneByOne[next++]; delivery; delivery = oneByOne[next++]) {
        // Whatever is late in its lease would be handled by two at once: it is left to run out.
        if (performance.now() - claimedAt > DELIVERY_LEASE_MS / 2) return;
        await deliver(delivery);
        turned(consumer);
      }
    });
    await Promise.all([...lanes, ...atOnce.map(deliver)]);
    turned(consumer);
  }

  /** Whether its handler, or the carrier, waits for more to come, so that it must not wait for others to end. */
  function isGathered({ consumer, attempts, event }: Delivery): boolean {
    if (options.local(consumer) === undefined) return carrier?.available ?? false;
    return attempts === 0 && (options.gathers?.(consumer, event.type) ?? false);
  }

  async function deliver(delivery: Delivery): Promise<void> {
    const consume = options.local(delivery.consumer);
    const isFirst = delivery.attempts === 0;
    try {
      if (consume && (isFirst || !carrier?.available)) return await deliverHere(delivery, consume);
      if (carrier && (await isSent(carrier, delivery))) return;
      if (consume) return await deliverHere(delivery, consume);
      await giveBack(database, delivery);
    } catch (error) {
      // The lease runs out by itself, and the delivery is claimed again.
      log.warn({ err: error, eventId: delivery.event.id }, 'could not record what became of a delivery');
    }
  }

  async function deliverHere(delivery: Delivery, consume: Consume): Promise<void> {
    const { event, consumer, attempts, fence } = delivery;
    const failure = await handle(delivery, consume, log);
    await options.settle({ eventId: event.id, consumer, attempts, fence, failure });
  }

  return {
    start() {
      loops = [...loopOf].map(([consumer, waker]) => loop(consumer, waker));
    },
    wake,
    turns: (consumer) => turns.get(consumer) ?? 0,
    freeLeases: () => freeLeases(database),
    async stop() {
      stopping.abort();
      wake();
      await Promise.all(loops);
    },
  };
}

/** Wakes one loop, whether it pauses at that moment or is about to. */
interface Waker {
  wake(): void;
  /** Rises with each wake. */
  calls(): number;
  /** Until it is woken, was woken since `calls()` was `seen`, or RELAY_POLL_MS have passed. */
  pause(seen: number): Promise<void>;
}

function createWaker(): Waker {
  let calls = 0;
  let end: (() => void) | undefined;
  return {
    wake() {
      calls += 1;
      end?.();
    },
    calls: () => calls,
    async pause(seen) {
      if (calls !== seen) return;
      const woken = Promise.withResolvers<void>();
      end = woken.resolve;
      const timer = setTimeout(woken.resolve, RELAY_POLL_MS);
      await woken.promise;
      clearTimeout(timer);
      end = undefined;
    },
  };
}

async function isSent(carrier: Carrier, delivery: Delivery): Promise<boolean> {
  return await carrier.send(delivery).then(
    () => true,
    () => false,
  );
}
