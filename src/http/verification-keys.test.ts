import { describe, expect, it } from 'vitest';
import { KEYS_FRESH_MS, KEYS_REFRESH_MS, KEYS_STALE_MS } from '../limits.ts';
import { createTestKeys } from '../testing/edge.ts';
import { createVerificationKeys } from './verification-keys.ts';

const { keySet } = await createTestKeys();

function start() {
  const state = { now: 0, fetches: 0, away: false };
  const fetch = async () => {
    state.fetches += 1;
    if (state.away) throw new Error('away');
    return keySet;
  };
  return { state, keys: createVerificationKeys(fetch, () => state.now) };
}

describe('verification keys', () => {
  it('are read once while they are fresh, whoever asks at the same time', async () => {
    const { state, keys } = start();
    await Promise.all([keys.current(), keys.current()]);
    state.now = KEYS_FRESH_MS - 1;
    await keys.current();
    expect(state.fetches).toBe(1);
    state.now = KEYS_FRESH_MS;
    await keys.current();
    expect(state.fetches).toBe(2);
  });

  it('serve through an outage, but not for ever', async () => {
    const { state, keys } = start();
    const known = await keys.current();
    state.away = true;
    state.now = KEYS_STALE_MS - 1;
    expect(await keys.current()).toBe(known);
    state.now = KEYS_STALE_MS;
    await expect(keys.current()).rejects.toMatchObject({ kind: 'unavailable', code: 'keys_unavailable' });
    state.away = false;
    state.now += KEYS_REFRESH_MS;
    await keys.current();
  });

  it('keep nobody waiting for newer ones while they serve', async () => {
    const { keySet: first } = await createTestKeys();
    let now = 0;
    let fetches = 0;
    const second = Promise.withResolvers<typeof first>();
    const keys = createVerificationKeys(
      () => {
        fetches += 1;
        return fetches === 1 ? Promise.resolve(first) : second.promise;
      },
      () => now,
    );
    const known = await keys.current();
    now = KEYS_FRESH_MS;
    expect(await keys.current()).toBe(known);
    expect(fetches).toBe(2);
    second.resolve(keySet);
    await expect.poll(async () => (await keys.current()) !== known).toBe(true);
  });

  it('are read anew for an unknown key, but not for each of many forgeries', async () => {
    const { state, keys } = start();
    const first = await keys.current();
    expect(await keys.afterUnknown(first)).toBeUndefined();
    state.now = KEYS_REFRESH_MS;
    const second = await keys.afterUnknown(first);
    expect(second).toBeDefined();
    expect(await keys.afterUnknown(second!)).toBeUndefined();
    // Who had tried the old ones gets what was read meanwhile.
    expect(await keys.afterUnknown(first)).toBe(second);
    expect(state.fetches).toBe(2);
  });

  it('are tried for again at once while there are none', async () => {
    const { state, keys } = start();
    state.away = true;
    await expect(keys.current()).rejects.toMatchObject({ code: 'keys_unavailable' });
    state.away = false;
    expect(await keys.current()).toBeDefined();
  });
});
