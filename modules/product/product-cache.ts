import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import type { Transaction } from '#platform/database/database';
import type { Broadcast } from '#platform/redis/broadcast';
import type { StoredProduct } from './catalogue-store.ts';
import { CACHED_PRODUCTS, CHANGES_PAUSE_MS, CHANGES_PER_MESSAGE, PRODUCT_FRESH_MS } from './limits.ts';

/** Tells, from within a transaction, that these products are different once it commits. */
export type ProductsChanged = (tx: Pick<Transaction, 'onCommit'>, productIds: Iterable<string>) => void;

export interface ProductCache {
  /** A product as `load` gives it, from at most PRODUCT_FRESH_MS ago. It is shared: nobody may alter it. */
  read(id: string): Promise<StoredProduct>;
  readonly changed: ProductsChanged;
}

/** A read, done or under way. */
interface Read {
  /** From before it began, by `now`: what it saw is no older. */
  readonly at: number;
  readonly product: Promise<StoredProduct>;
}

const TOPIC = 'products-changed';
const changesSchema = z.literal('any').or(z.array(z.string()).max(CHANGES_PER_MESSAGE));

/**
 * Keeps what `load` read for a second at most, so that even a process that no broadcast reaches is never further
 * behind. A change is seen here as soon as it is committed, and elsewhere as soon as its broadcast arrives.
 *
 * What is kept is the read itself, from its start: requests that come meanwhile share it, and a change that is
 * committed meanwhile throws it out, so that it serves nobody who comes after the change. Failures are not kept,
 * nor is it that there is no such product. `now` is in milliseconds and never goes back.
 *
 * Others are told of a change at once, and of those that follow within CHANGES_PAUSE_MS together: where each order
 * changes products, a message for each would cost more than the cache saves.
 */
export function createProductCache(options: {
  load: (id: string) => Promise<StoredProduct>;
  broadcast: Broadcast;
  now: () => number;
  /** Told of each read whether it was saved. */
  onRead?: (result: 'hit' | 'miss') => void;
  /** Runs `work` when the pause after a message is over; a timer unless given. */
  afterPause?: (work: () => void) => void;
}): ProductCache {
  const { load, broadcast, now, onRead, afterPause = pause } = options;
  const reads = new LRUCache<string, Read>({ max: CACHED_PRODUCTS });
  /** Changed products that the others have not been told of. */
  const untold = new Set<string>();
  let isPausing = false;
  let isTelling = false;

  function tellOthers(): void {
    isPausing = untold.size > 0;
    if (!isPausing) return;
    const changes = untold.size > CHANGES_PER_MESSAGE ? 'any' : [...untold];
    untold.clear();
    isTelling = true;
    broadcast.publish(TOPIC, changes);
    isTelling = false;
    afterPause(tellOthers);
  }

  broadcast.subscribe(TOPIC, {
    schema: changesSchema,
    onMessage(changes) {
      // Known here since the commit; what was read since then is fresh.
      if (isTelling) return;
      if (changes === 'any') reads.clear();
      else for (const id of changes) reads.delete(keyOf(id));
    },
    onGap: () => reads.clear(),
  });

  return {
    async read(id) {
      const key = keyOf(id);
      const at = now();
      const known = reads.get(key);
      const isFresh = known !== undefined && at - known.at < PRODUCT_FRESH_MS;
      onRead?.(isFresh ? 'hit' : 'miss');
      if (isFresh) return await known.product;
      const read = { at, product: load(id) };
      reads.set(key, read);
      try {
        return await read.product;
      } catch (error) {
        if (reads.peek(key) === read) reads.delete(key);
        throw error;
      }
    },
    changed(tx, productIds) {
      const keys = Array.from(productIds, keyOf);
      if (keys.length === 0) return;
      tx.onCommit(() => {
        for (const key of keys) {
          reads.delete(key);
          untold.add(key);
        }
        if (!isPausing) tellOthers();
      });
    },
  };
}

function pause(work: () => void): void {
  setTimeout(work, CHANGES_PAUSE_MS).unref();
}

/** Ids come from paths too, where a UUID may be in capitals. */
function keyOf(id: string): string {
  return id.toLowerCase();
}
