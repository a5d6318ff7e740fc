import { sql } from 'drizzle-orm';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { testEngine } from '#platform/testing/database';
import { startShop, type TestShop } from '#platform/testing/shop';
import { userContract } from './contract.ts';
import { deleteRetiredKeys, findSigningKey } from './key-store.ts';
import { KEY_RETIRE_SECONDS } from './limits.ts';
import { userModule } from './module.ts';
import { deleteOldSessions } from './session-store.ts';

let shop: TestShop;
let admin: { id: string; token: string; refreshToken: string };

const parts = () => {
  const module = shop.shop.modules.find((hosted) => hosted.name === 'user');
  if (!module) throw new Error('the user module is hosted');
  return module.parts;
};

beforeAll(async () => {
  // Only a folder's first admin is made without being configured.
  const config = testEngine === 'embedded' ? { admin: undefined } : {};
  shop = await startShop({ modules: [userModule], config });
});
afterAll(async () => {
  await shop.stop();
});

describe('the first admin', () => {
  it('is made at the first start, and told once; with a password only when it was made up', async () => {
    const [notice = ''] = parts().notices?.() ?? [];
    const [, email, , made] = /^first admin: (\S+)( with the password (\S+) .*)?$/.exec(notice) ?? [];
    expect(email).toBe(testEngine === 'embedded' ? 'admin@banyan.local' : 'admin@example.com');
    expect(made === undefined).toBe(testEngine === 'postgres');
    const password = made ?? shop.shop.config.admin?.password;
    const { body, status } = await shop.request('POST', '/auth/login', { body: { email, password } });
    expect(status).toBe(200);
    const me = await shop.request('GET', '/users/me', { token: body.accessToken });
    expect(me.body.role).toBe('admin');
    admin = { id: me.body.id, token: body.accessToken, refreshToken: body.refreshToken };
  });

  it.runIf(testEngine === 'postgres')('is not made up on Postgres, and the start says so', async () => {
    const bare = await startShop({ modules: [userModule], config: { admin: undefined } });
    const [hosted] = bare.shop.modules;
    expect(hosted?.parts.notices?.()).toEqual([expect.stringMatching(/^no admin yet: .*ADMIN_PASSWORD/)]);
    await bare.stop();
  });

  it('is not made again at the next start', async () => {
    await parts().start?.();
    expect(parts().notices?.()).toEqual([]);
    const { body } = await shop.request('GET', '/users?role=admin', { token: admin.token });
    expect(body.data).toHaveLength(1);
  });

  it('can be neither demoted nor erased while there is no other', async () => {
    const demoted = await shop.request('PUT', `/users/${admin.id}/role`, {
      token: admin.token,
      body: { role: 'customer' },
    });
    expect([demoted.status, demoted.body.code]).toEqual([409, 'last_admin']);
    const erased = await shop.request('DELETE', `/users/${admin.id}`, { token: admin.token });
    expect([erased.status, erased.body.code]).toEqual([409, 'last_admin']);
  });

  it('and a second one that leave at the same time leave one behind', async () => {
    const body = { email: 'second@example.com', username: 'second', password: 'a long enough password' };
    const { body: second } = await shop.request('POST', '/users', { body });
    const setRole = (id: string, role: string) =>
      shop.request('PUT', `/users/${id}/role`, { token: admin.token, body: { role } });
    await setRole(second.id, 'admin');
    const answers = await Promise.all([setRole(second.id, 'customer'), setRole(admin.id, 'customer')]);
    expect(answers.map((answer) => answer.status).sort()).toEqual([200, 409]);
    // Their token still says admin, for at most 15 minutes.
    const { body: left } = await shop.request('GET', '/users?role=admin', { token: admin.token });
    expect(left.data).toHaveLength(1);
    await setRole(admin.id, 'admin');
  });
});

describe('rotating the keys', () => {
  const ROTATION = '01900000-0000-7000-8000-00000000000a';
  const publicKids = async () => {
    const { body } = await shop.request('GET', '/.well-known/jwks.json');
    return body.keys.map((key: { kid: string }) => key.kid) as string[];
  };
  const refresh = async () => {
    const body = { refreshToken: admin.refreshToken };
    const answer = await shop.request('POST', '/auth/refresh', { body });
    admin.refreshToken = answer.body.refreshToken;
    return decodeProtectedHeader(answer.body.accessToken).kid;
  };
  /** Lets `seconds` pass for the keys, by moving them back. */
  const age = (seconds: number) =>
    shop
      .database('user')
      .rows(
        sql`update users.signing_key set signs_from = signs_from - ${seconds}::int * interval '1 second'`,
      );

  it('publishes a new key at once, and goes on signing with the old one', async () => {
    const [old] = await publicKids();
    const { kid, signsFrom } = await shop.api(userContract).rotateKeys({ rotationId: ROTATION });
    expect(await publicKids()).toEqual([kid, old]);
    expect(signsFrom).toMatch(/Z$/);
    expect(await refresh()).toBe(old);
  });

  it('does nothing when the same rotation is asked for again', async () => {
    const before = await publicKids();
    const { kid } = await shop.api(userContract).rotateKeys({ rotationId: ROTATION });
    expect(kid).toBe(before[0]);
    expect(await publicKids()).toEqual(before);
  });

  it('signs with the new key once caches have aged, and logs nobody out', async () => {
    const [next, old] = await publicKids();
    await age(900);
    expect(await refresh()).toBe(next);
    const me = await shop.request('GET', '/users/me', { token: admin.token });
    expect([me.status, decodeProtectedHeader(admin.token).kid]).toEqual([200, old]);
  });

  it('keeps the old key until its last token has expired', async () => {
    const kids = await publicKids();
    await deleteRetiredKeys(shop.database('user'));
    expect(await publicKids()).toEqual(kids);
    await age(KEY_RETIRE_SECONDS);
    await deleteRetiredKeys(shop.database('user'));
    expect(await publicKids()).toEqual(kids.slice(0, 1));
  });

  it('signs early with the next key when an operator has deleted the one in use', async () => {
    const { kid } = await shop
      .api(userContract)
      .rotateKeys({ rotationId: '01900000-0000-7000-8000-00000000000b' });
    await shop.database('user').rows(sql`delete from users.signing_key where kid <> ${kid}`);
    expect((await findSigningKey(shop.database('user'))).kid).toBe(kid);
  });
});

describe('the clean-up', () => {
  it('deletes sessions and tokens that are over, and no other', async () => {
    const database = shop.database('user');
    const credentials = { email: 'second@example.com', password: 'a long enough password' };
    const over = await shop.request('POST', '/auth/login', { body: credentials });
    const sessionId = decodeJwt(over.body.accessToken).sid as string;
    const open = await shop.request('POST', '/auth/login', { body: credentials });
    await database.rows(sql`
      update users.session set expires_at = now() - interval '1 second' where id = ${sessionId}::uuid`);
    const count = async () =>
      await database.rows<{ id: string }>(sql`select session_id as id from users.refresh_token`);
    const before = await count();

    await deleteOldSessions(database);

    const left = await count();
    expect(left).toEqual(before.filter((token) => token.id !== sessionId));
    expect(left.length).toBeLessThan(before.length);
    const refreshToken = open.body.refreshToken;
    expect((await shop.request('POST', '/auth/refresh', { body: { refreshToken } })).status).toBe(200);
  });
});
