import { pino } from 'pino';
import { uuidv7 } from 'uuidv7';
import { describe, expect, it } from 'vitest';
import { AppError } from '#platform/errors';
import { type Broadcast, createBroadcast, type Message, type Subscriber } from '#platform/redis/broadcast';
import type { StoredProduct } from './catalogue-store.ts';
import { CHANGES_PER_MESSAGE, PRODUCT_FRESH_MS } from './limits.ts';
import { createProductCache } from './product-cache.ts';

const ID = uuidv7();

/** One shop's processes, as far as hints go: what one says all hear, unless the line is cut. */
function createLine() {
  const subscribers: { of: number; subscriber: Subscriber<unknown> }[] = [];
  let processes = 0;
  const line = {
    cut: false,
    messages: [] as Message[],
    broadcast(): Broadcast {
      processes += 1;
      const own = processes;
      return {
        publish(_, message) {
          line.messages.push(message);
          for (const { of, subscriber } of subscribers) {
            if (of === own || !line.cut) subscriber.onMessage(subscriber.schema.parse(message));
          }
        },
        subscribe(_, subscriber) {
          subscribers.push({ of: own, subscriber: subscriber as Subscriber<unknown> });
        },
      };
    },
    tellOfGap() {
      for (const { subscriber } of subscribers) subscriber.onGap();
    },
  };
  return line;
}

/** A store of one product whose version is its price, and processes that read it through a cache each. */
function createStore(broadcasts: Broadcast[]) {
  const store = {
    version: 1,
    exists: true,
    loads: 0,
    nowMs: 5_000,
    /** Holds reads back, once they have seen the store. */
    held: Promise.resolve(),
    /** What is put off until the pauses after messages are over. */
    afterPause: [] as (() => void)[],
    endPause() {
      for (const work of store.afterPause.splice(0)) work();
    },
    caches: [] as ReturnType<typeof createProductCache>[],
    /** Commits a change in one of the processes. */
    change(process: number, ids: string[] = [ID]) {
      const hooks: (() => void)[] = [];
      store.caches[process]!.changed({ onCommit: (hook) => hooks.push(hook) }, ids);
      store.version += 1;
      for (const hook of hooks) hook();
    },
    read: async (process: number, id = ID) => (await store.caches[process]!.read(id)).version,
  };
  const load = async (id: string): Promise<StoredProduct> => {
    store.loads += 1;
    const { version, exists } = store;
    await store.held;
    if (!exists) throw new AppError('not_found', 'not_found', 'no such product');
    return { product: { id } as StoredProduct['product'], version };
  };
  store.caches = broadcasts.map((broadcast) =>
    createProductCache({
      load,
      broadcast,
      now: () => store.nowMs,
      afterPause: (work) => store.afterPause.push(work),
    }),
  );
  return store;
}

function alone() {
  return createStore([createBroadcast(undefined, 'test', pino({ level: 'silent' }))]);
}

function twoProcesses() {
  const line = createLine();
  return { line, store: createStore([line.broadcast(), line.broadcast()]) };
}

describe('a cached product', () => {
  it('is read once while it is fresh, in whatever letters its id is written', async () => {
    const store = alone();
    for (const id of [ID, ID, ID.toUpperCase()]) expect(await store.read(0, id)).toBe(1);
    expect(store.loads).toBe(1);
  });

  it('is read again when its time is over, counted from before the read', async () => {
    const store = alone();
    const { promise, resolve } = Promise.withResolvers<void>();
    store.held = promise;
    const first = store.read(0);
    store.nowMs += PRODUCT_FRESH_MS - 1;
    resolve();
    await first;
    await store.read(0);
    expect(store.loads).toBe(1);
    store.nowMs += 1;
    await store.read(0);
    expect(store.loads).toBe(2);
  });

  it('is seen changed at once in the process that changed it', async () => {
    const store = alone();
    await store.read(0);
    store.change(0);
    expect(await store.read(0)).toBe(2);
  });

  it('stays while its change is not committed', async () => {
    const store = alone();
    await store.read(0);
    store.caches[0]!.changed({ onCommit: () => undefined }, [ID]);
    await store.read(0);
    expect(store.loads).toBe(1);
  });

  it('stays when another product changes', async () => {
    const store = alone();
    await store.read(0);
    store.change(0, [uuidv7()]);
    await store.read(0);
    expect(store.loads).toBe(1);
  });

  it('is read once for all who ask at the same time', async () => {
    const store = alone();
    expect(await Promise.all([store.read(0), store.read(0), store.read(0)])).toEqual([1, 1, 1]);
    expect(store.loads).toBe(1);
  });

  it('is not served from a read that was under way when it changed, then or later', async () => {
    const store = alone();
    const { promise, resolve } = Promise.withResolvers<void>();
    store.held = promise;
    const before = store.read(0);
    store.change(0);
    const after = store.read(0);
    resolve();
    expect(await before).toBe(1);
    expect(await after).toBe(2);
    expect(await store.read(0)).toBe(2);
  });

  it('is not served from a read that hangs for longer than its time', async () => {
    const store = alone();
    const { promise, resolve } = Promise.withResolvers<void>();
    store.held = promise;
    const hanging = store.read(0);
    store.version = 2;
    store.nowMs += PRODUCT_FRESH_MS;
    const late = store.read(0);
    resolve();
    expect(await Promise.all([hanging, late])).toEqual([1, 2]);
  });

  it('is not remembered as absent', async () => {
    const store = alone();
    store.exists = false;
    await expect(store.read(0)).rejects.toMatchObject({ code: 'not_found' });
    store.exists = true;
    expect(await store.read(0)).toBe(1);
  });
});

describe('a change in another process', () => {
  it('is seen as soon as its broadcast arrives', async () => {
    const { store } = twoProcesses();
    await store.read(1);
    store.change(0);
    expect(await store.read(1)).toBe(2);
  });

  it('is seen within the lifetime when the broadcast is lost', async () => {
    const { line, store } = twoProcesses();
    line.cut = true;
    await store.read(1);
    store.change(0);
    expect(await store.read(1)).toBe(1);
    store.nowMs += PRODUCT_FRESH_MS;
    expect(await store.read(1)).toBe(2);
  });

  it('is seen at once when the process learns that it has missed messages', async () => {
    const { line, store } = twoProcesses();
    line.cut = true;
    await store.read(1);
    store.change(0);
    line.tellOfGap();
    expect(await store.read(1)).toBe(2);
  });

  it('of very many products at once is one short message', async () => {
    const { line, store } = twoProcesses();
    await store.read(1);
    store.change(0, [...Array.from({ length: CHANGES_PER_MESSAGE }, () => uuidv7()), ID]);
    expect(line.messages).toEqual(['any']);
    expect(await store.read(1)).toBe(2);
  });

  it('is told at once, and what follows soon after it together', async () => {
    const { line, store } = twoProcesses();
    const others = [uuidv7(), uuidv7()];
    store.change(0, [ID]);
    expect(line.messages).toEqual([[ID]]);
    await store.read(1);
    for (const id of [others[0]!, ID, others[1]!]) store.change(0, [id]);
    expect(line.messages).toHaveLength(1);
    expect(await store.read(0)).toBe(5);
    store.endPause();
    expect(line.messages.slice(1)).toEqual([[others[0], ID, others[1]]]);
    expect(await store.read(1)).toBe(5);
    store.endPause();
    expect(line.messages).toHaveLength(2);
    store.change(0, [ID]);
    expect(line.messages).toHaveLength(3);
  });

  it('throws nothing out, when it is told, of what the process that made it has read since', async () => {
    const { store } = twoProcesses();
    store.change(0);
    store.change(0);
    await store.read(0);
    store.endPause();
    await store.read(0);
    expect(store.loads).toBe(1);
  });
});
