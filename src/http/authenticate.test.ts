import { createLocalJWKSet, type JWTVerifyGetKey } from 'jose';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { createTestKeys } from '../testing/edge.ts';
import { createAuthenticator } from './authenticate.ts';
import type { VerificationKeys } from './verification-keys.ts';

const signer = await createTestKeys();
const other = await createTestKeys('other');
const expected = { issuer: 'banyan', audience: 'banyan' };

/** Counts what is verified: each look for a key is one. */
function keySetOf(keys: object[]) {
  const find: JWTVerifyGetKey = createLocalJWKSet({ keys: keys as { kty: string }[] });
  return vi.fn<JWTVerifyGetKey>((...args) => find(...args));
}

function start() {
  const state = { set: keySetOf([...signer.keySet.keys]), away: false };
  const keys: VerificationKeys = {
    async current() {
      if (state.away) throw new Error('keys_unavailable');
      return state.set;
    },
    afterUnknown: async () => undefined,
  };
  return { state, authenticate: createAuthenticator(keys, expected) };
}

const bearer = async (role: 'customer' | 'admin' = 'customer', claims = {}) =>
  `Bearer ${await signer.token(role, { claims })}`;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'] });
});
afterEach(() => {
  vi.useRealTimers();
});

it('verifies a token once, and each token for itself', async () => {
  const { state, authenticate } = start();
  const [customer, admin] = [await bearer('customer'), await bearer('admin')];
  for (let time = 0; time < 3; time += 1) {
    expect(await authenticate(customer)).toEqual({ userId: signer.userId, role: 'customer' });
    expect(await authenticate(admin)).toEqual({ userId: signer.userId, role: 'admin' });
  }
  expect(state.set).toHaveBeenCalledTimes(2);
});

it('refuses a token that it knows from the second in which it expires', async () => {
  const { authenticate } = start();
  const exp = Math.floor(Date.now() / 1000) + 60;
  const token = await bearer('customer', { exp });
  await authenticate(token);
  vi.setSystemTime(exp * 1000 - 1);
  await authenticate(token);
  vi.setSystemTime(exp * 1000);
  await expect(authenticate(token)).rejects.toMatchObject({ code: 'invalid_token' });
});

it('refuses a token that it knows once its key is gone, and takes it again with the key', async () => {
  const { state, authenticate } = start();
  const token = await bearer();
  await authenticate(token);
  const before = state.set;
  state.set = keySetOf([...other.keySet.keys]);
  await expect(authenticate(token)).rejects.toMatchObject({ code: 'invalid_token' });
  state.set = keySetOf([...signer.keySet.keys]);
  await authenticate(token);
  expect(before).toHaveBeenCalledTimes(1);
  expect(state.set).toHaveBeenCalledTimes(1);
});

it('refuses a token of which only the beginning is known', async () => {
  const { authenticate } = start();
  const token = await bearer();
  await authenticate(token);
  await expect(authenticate(`${token.slice(0, -6)}AAAAAA`)).rejects.toMatchObject({ code: 'invalid_token' });
});

it('lets nobody in while there are no keys, whom it knows neither', async () => {
  const { state, authenticate } = start();
  const token = await bearer();
  await authenticate(token);
  state.away = true;
  await expect(authenticate(token)).rejects.toThrow('keys_unavailable');
});
