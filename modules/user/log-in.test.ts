import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Database } from '#platform/database/database';
import type { ModuleContext } from '#platform/module';
import { createLimiters } from '#platform/redis/limiters';
import { startShop, type TestShop } from '#platform/testing/shop';
import { clientTag } from './client-tag.ts';
import { createGuessThrottle } from './guess-throttle.ts';
import { createLogIn } from './log-in.ts';
import { userModule } from './module.ts';
import { parsePasswordHash } from './password-hash.ts';
import { wasSignedInFrom } from './session-store.ts';

const SESSION = '01900000-0000-7000-8000-00000000000a';

let shop: TestShop;
let database: Database;
let user: { id: string; email: string };

beforeAll(async () => {
  shop = await startShop({ modules: [userModule] });
  database = shop.database('user');
  const body = { email: 'anna@example.com', username: 'anna', password: 'a long enough password' };
  user = (await shop.request('POST', '/users', { body })).body;
});
afterAll(async () => {
  await shop.stop();
});

/** Signs in with passwords that are checked by hand. */
function createTestLogIn(matches: (stored: string) => Promise<boolean>) {
  const context = { database, newId: () => SESSION } as ModuleContext;
  return createLogIn(context, {
    passwords: { matches, hash: () => Promise.reject(new Error('signing in hashes nothing')) },
    throttle: createGuessThrottle(createLimiters(undefined, 'test')),
    sign: async (subject) => JSON.stringify(subject),
  });
}

const wish = { password: 'tried', clientAddress: '192.0.2.1' };

describe('signing in', () => {
  it('checks one password of the same cost for known and unknown addresses', async () => {
    const costs: string[] = [];
    const logIn = createTestLogIn(async (stored) => {
      const { memoryKib, passes, lanes, salt, tag } = parsePasswordHash(stored);
      costs.push([memoryKib, passes, lanes, salt.length, tag.length].join());
      return false;
    });
    for (const email of [user.email, 'nobody@example.com', 'nonsense']) {
      await expect(logIn({ ...wish, email })).rejects.toMatchObject({ code: 'invalid_credentials' });
    }
    expect(costs).toEqual(Array(3).fill('19456,2,1,16,32'));
  });

  it('is refused when the account is erased between the check and the session', async () => {
    const { token } = await shop.signUp('admin');
    const logIn = createTestLogIn(async () => {
      // The account goes while its password is being checked, which takes a while.
      await shop.request('DELETE', `/users/${gone.id}`, { token });
      return true;
    });
    const body = { email: 'gone@example.com', username: 'gone', password: 'a long enough password' };
    const gone: { id: string } = (await shop.request('POST', '/users', { body })).body;
    const refused = logIn({ ...wish, email: body.email });
    await expect(refused).rejects.toMatchObject({ code: 'invalid_credentials' });
  });

  it('makes the place it came from familiar to that account, and no other place', async () => {
    const logIn = createTestLogIn(async () => true);
    expect(await wasSignedInFrom(database, user.id, clientTag('2001:db8:1:2::1'))).toBe(false);
    await logIn({ ...wish, email: user.email, clientAddress: '2001:db8:1:2::1' });
    expect(await wasSignedInFrom(database, user.id, clientTag('2001:db8:1:2::99'))).toBe(true);
    expect(await wasSignedInFrom(database, user.id, clientTag('2001:db8:1:3::1'))).toBe(false);
  });
});
