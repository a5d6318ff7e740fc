import { describe, expect, it } from 'vitest';
import { AppError } from '#platform/errors';
import { createSharedRead } from './shared-read.ts';

/** A store that tells its version, and reads of it that end when they are let. */
function createStore() {
  const store = {
    version: 1,
    reads: [] as string[],
    ends: [] as (() => void)[],
    failure: undefined as AppError | undefined,
    ask: createSharedRead(async ({ list }: { list: string }): Promise<{ list: string; version: number }> => {
      store.reads.push(list);
      const { version, failure } = store;
      await new Promise<void>((resolve) => store.ends.push(resolve));
      if (failure) throw failure;
      return { list, version };
    }),
    /** Lets what has begun by now end. */
    async turn() {
      await new Promise(setImmediate);
      for (const end of store.ends.splice(0)) end();
      await new Promise(setImmediate);
    },
  };
  return store;
}

describe('a shared read', () => {
  it('is one for all who ask the same at one time, and others have their own', async () => {
    const store = createStore();
    const asked = ['a', 'b', 'a', 'a'].map((list) => store.ask({ list }));
    await store.turn();
    expect((await Promise.all(asked)).map(({ list }) => list)).toEqual(['a', 'b', 'a', 'a']);
    expect(store.reads).toEqual(['a', 'b']);
  });

  it('never began before it was asked for, so it shows what was changed before', async () => {
    const store = createStore();
    const before = store.ask({ list: 'a' });
    await new Promise(setImmediate);
    store.version = 2;
    const after = [store.ask({ list: 'a' }), store.ask({ list: 'a' })];
    await store.turn();
    await store.turn();
    expect((await before).version).toBe(1);
    expect((await Promise.all(after)).map(({ version }) => version)).toEqual([2, 2]);
    expect(store.reads).toHaveLength(2);
  });

  it('is not kept: who asks when nobody is asking any more reads anew', async () => {
    const store = createStore();
    for (const version of [1, 2]) {
      store.version = version;
      const asked = store.ask({ list: 'a' });
      await store.turn();
      expect((await asked).version).toBe(version);
    }
  });

  it('fails for all who share it, and not for who asks later', async () => {
    const store = createStore();
    store.failure = new AppError('unavailable', 'database_unavailable', 'away');
    const failed = Promise.allSettled([store.ask({ list: 'a' }), store.ask({ list: 'a' })]);
    await store.turn();
    expect((await failed).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    store.failure = undefined;
    const asked = store.ask({ list: 'a' });
    await store.turn();
    expect((await asked).version).toBe(1);
  });
});
