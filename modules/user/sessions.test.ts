import { sql } from 'drizzle-orm';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sleep } from '#platform/deadline';
import { startShop, type TestShop } from '#platform/testing/shop';
import { FREE_GUESSES } from './limits.ts';
import { userModule } from './module.ts';

const PASSWORD = 'a long enough password';

interface Tokens {
  accessToken: string;
  refreshToken: string;
}

let shop: TestShop;

beforeAll(async () => {
  shop = await startShop({ modules: [userModule] });
});
afterAll(async () => {
  await shop.stop();
});

let made = 0;
async function register(): Promise<{ id: string; email: string }> {
  made += 1;
  const body = { email: `person${made}@example.com`, username: `person${made}`, password: PASSWORD };
  return (await shop.request('POST', '/users', { body })).body;
}

const logIn = (email: string, password = PASSWORD) =>
  shop.request('POST', '/auth/login', { body: { email, password } });
const refresh = (refreshToken: string) => shop.request('POST', '/auth/refresh', { body: { refreshToken } });

async function session(): Promise<Tokens & { id: string; email: string }> {
  const user = await register();
  return { ...user, ...(await logIn(user.email)).body };
}

const refused = [401, 'invalid_refresh_token'];

describe('signing in', () => {
  it('answers a pair of tokens that no cache keeps', async () => {
    const { email } = await register();
    const { status, body, headers } = await logIn(email);
    expect(status).toBe(200);
    expect(body).toEqual({
      accessToken: expect.any(String),
      tokenType: 'Bearer',
      expiresIn: 900,
      refreshToken: expect.stringMatching(/^[A-Za-z0-9_-]{43}$/),
    });
    expect(headers.get('cache-control')).toBe('no-store');
  });

  it('makes an access token with the claims of docs/api.md', async () => {
    const { id, accessToken } = await session();
    const keys = await shop.request('GET', '/.well-known/jwks.json');
    expect(decodeProtectedHeader(accessToken)).toEqual({
      alg: 'EdDSA',
      typ: 'at+jwt',
      kid: keys.body.keys[0].kid,
    });
    const claims = decodeJwt(accessToken);
    expect(claims).toEqual({
      iss: 'banyan',
      aud: 'banyan',
      sub: id,
      role: 'customer',
      sid: expect.any(String),
      iat: expect.any(Number),
      exp: (claims.iat ?? 0) + 900,
      jti: expect.any(String),
    });
  });

  it('takes the address however it is written', async () => {
    const { email } = await register();
    expect((await logIn(` ${email.toUpperCase()} `)).status).toBe(200);
  });

  it('answers the same to a wrong password, an unknown address and no address', async () => {
    const { email } = await register();
    const bodies = [];
    for (const answer of [
      await logIn(email, 'wrong'),
      await logIn('nobody@example.com'),
      await logIn('nonsense'),
    ]) {
      expect(answer.status).toBe(401);
      const { traceId: _, ...body } = answer.body;
      bodies.push(body);
    }
    expect(bodies[0].code).toBe('invalid_credentials');
    expect(bodies[1]).toEqual(bodies[0]);
    expect(bodies[2]).toEqual(bodies[0]);
  });

  it('is slowed down after many misses, for this account and not for others', async () => {
    const { email } = await register();
    const other = await register();
    for (let miss = 0; miss < FREE_GUESSES; miss += 1) expect((await logIn(email, 'wrong')).status).toBe(401);
    const throttled = await logIn(email);
    expect([throttled.status, throttled.body.code]).toEqual([429, 'rate_limited']);
    expect(Number(throttled.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await logIn(other.email)).status).toBe(200);
  });

  it('is slowed down for unknown addresses alike, so that nothing tells them apart', async () => {
    for (let miss = 0; miss < FREE_GUESSES; miss += 1) await logIn('unknown@example.com', 'wrong');
    expect((await logIn('unknown@example.com', 'wrong')).status).toBe(429);
  });

  it.each([{ role: 'admin' }, { password: 1 }, { password: null }])('refuses %j', async (changes) => {
    const body = { email: 'a@example.com', password: PASSWORD, ...changes };
    const answer = await shop.request('POST', '/auth/login', { body });
    expect([answer.status, answer.body.code]).toEqual([400, 'invalid_request']);
  });
});

describe('refreshing', () => {
  it('answers a new pair in the same session', async () => {
    const first = await session();
    const { status, body } = await refresh(first.refreshToken);
    expect(status).toBe(200);
    expect(body.refreshToken).not.toBe(first.refreshToken);
    expect(decodeJwt(body.accessToken).sid).toBe(decodeJwt(first.accessToken).sid);
    expect((await shop.request('GET', '/users/me', { token: body.accessToken })).status).toBe(200);
  });

  it('spends the token: shown again it is refused, and its whole session ends', async () => {
    const first = await session();
    const second = (await refresh(first.refreshToken)).body as Tokens;
    const again = await refresh(first.refreshToken);
    expect([again.status, again.body.code]).toEqual(refused);
    const revoked = await refresh(second.refreshToken);
    expect([revoked.status, revoked.body.code]).toEqual(refused);
  });

  it("leaves the user's other sessions alone when one is revoked", async () => {
    const first = await session();
    const other = (await logIn(first.email)).body as Tokens;
    await refresh(first.refreshToken);
    await refresh(first.refreshToken);
    expect((await refresh(other.refreshToken)).status).toBe(200);
  });

  it('has one winner of twenty at once', async () => {
    const { refreshToken } = await session();
    const answers = await Promise.all(Array.from({ length: 20 }, () => refresh(refreshToken)));
    expect(answers.map((answer) => answer.status).sort()).toEqual([200, ...Array(19).fill(401)]);
  });

  it('and the erasure of its user do not wait for each other', async () => {
    const { id, accessToken } = await session();
    const isSpent = Promise.withResolvers<void>();
    // As a refresh does it, with a pause in which the erasure gets as far as it can.
    const refreshing = shop.database('user').transaction(async (tx) => {
      await tx.rows(sql`
        update users.refresh_token t set spent_at = now() from users.session s
        where s.id = t.session_id and s.account_id = ${id}::uuid`);
      isSpent.resolve();
      await sleep(300);
      await tx.rows(sql`update users.session set expires_at = now() where account_id = ${id}::uuid`);
    });
    await isSpent.promise;
    const erased = shop.request('DELETE', `/users/${id}`, { token: accessToken });
    await refreshing;
    expect(await erased).toMatchObject({ status: 204 });
    expect(
      await shop.database('user').rows(sql`select 1 from users.session where account_id = ${id}::uuid`),
    ).toEqual([]);
  });

  it('shows a changed role', async () => {
    const { id, refreshToken } = await session();
    const admin = await shop.signUp('admin');
    await shop.request('PUT', `/users/${id}/role`, { token: admin.token, body: { role: 'staff' } });
    const { body } = await refresh(refreshToken);
    expect(decodeJwt(body.accessToken).role).toBe('staff');
  });

  it('refuses a token past its time, by the clock of the database', async () => {
    const { refreshToken, accessToken } = await session();
    await shop.database('user').rows(sql`
      update users.refresh_token set expires_at = now() - interval '1 second'
      where session_id = ${decodeJwt(accessToken).sid as string}::uuid`);
    expect((await refresh(refreshToken)).status).toBe(401);
  });

  it('refuses what was never a token, and unknown fields', async () => {
    const unknown = await refresh('nonsense');
    expect([unknown.status, unknown.body.code]).toEqual(refused);
    const body = { refreshToken: 'x', scope: 'all' };
    expect((await shop.request('POST', '/auth/refresh', { body })).status).toBe(400);
  });

  it('stores no token in the clear', async () => {
    const { refreshToken } = await session();
    const rows = await shop.database('user').rows(sql`select * from users.refresh_token`);
    expect(rows.length).toBeGreaterThan(0);
    expect(JSON.stringify(rows)).not.toContain(refreshToken);
  });
});

describe('signing out', () => {
  const logOut = (token: string | undefined, refreshToken: string) =>
    shop.request('POST', '/auth/logout', { token, body: { refreshToken } });

  it('ends the session, and once more is no mistake', async () => {
    const { accessToken, refreshToken } = await session();
    expect((await logOut(accessToken, refreshToken)).status).toBe(204);
    expect((await refresh(refreshToken)).status).toBe(401);
    expect((await logOut(accessToken, refreshToken)).status).toBe(204);
  });

  it("does nothing to somebody else's session", async () => {
    const mine = await session();
    const theirs = await session();
    expect((await logOut(mine.accessToken, theirs.refreshToken)).status).toBe(204);
    expect((await refresh(theirs.refreshToken)).status).toBe(200);
  });

  it('needs a token, and refuses unknown fields', async () => {
    const { accessToken, refreshToken } = await session();
    expect((await logOut(undefined, refreshToken)).status).toBe(401);
    const body = { refreshToken, all: true };
    expect((await shop.request('POST', '/auth/logout', { token: accessToken, body })).status).toBe(400);
  });
});

describe('changing the password', () => {
  const NEW = 'another long password';
  const change = (token: string | undefined, body: object) =>
    shop.request('PUT', '/users/me/password', { token, body });

  it('lets in with the new one only, and ends all sessions but this', async () => {
    const mine = await session();
    const other = (await logIn(mine.email)).body as Tokens;
    const answer = await change(mine.accessToken, { currentPassword: PASSWORD, newPassword: NEW });
    expect(answer.status).toBe(204);
    expect((await refresh(mine.refreshToken)).status).toBe(200);
    expect((await refresh(other.refreshToken)).status).toBe(401);
    expect((await logIn(mine.email)).status).toBe(401);
    expect((await logIn(mine.email, NEW)).status).toBe(200);
  });

  it('is published once, without anything personal', async () => {
    const { id, accessToken } = await session();
    await change(accessToken, { currentPassword: PASSWORD, newPassword: NEW });
    const events = await shop
      .database('user')
      .rows(sql`select type, data from users.outbox where stream = ${`user:${id}`}`);
    expect(events).toEqual([{ type: 'user.password_changed.v1', data: { userId: id } }]);
  });

  it('needs the current one, and is slowed down after many misses', async () => {
    const { accessToken } = await session();
    const wrong = { currentPassword: 'wrong', newPassword: NEW };
    for (let miss = 0; miss < FREE_GUESSES; miss += 1) {
      const answer = await change(accessToken, wrong);
      expect([answer.status, answer.body.code]).toEqual([401, 'invalid_credentials']);
    }
    expect((await change(accessToken, { currentPassword: PASSWORD, newPassword: NEW })).status).toBe(429);
  });

  it('happens once of two at the same time', async () => {
    const { accessToken } = await session();
    const answers = await Promise.all([
      change(accessToken, { currentPassword: PASSWORD, newPassword: NEW }),
      change(accessToken, { currentPassword: PASSWORD, newPassword: `${NEW} too` }),
    ]);
    expect(answers.map((answer) => answer.status).sort()).toEqual([204, 401]);
  });

  it.each([
    ['a common new one', { currentPassword: PASSWORD, newPassword: 'iloveyou' }],
    ['a short new one', { currentPassword: PASSWORD, newPassword: 'short' }],
    ['unknown fields', { currentPassword: PASSWORD, newPassword: NEW, userId: 'x' }],
  ])('refuses %s', async (_, body) => {
    const { accessToken } = await session();
    const answer = await change(accessToken, body);
    expect([answer.status, answer.body.code]).toEqual([400, 'invalid_request']);
  });

  it('needs a token', async () => {
    expect((await change(undefined, { currentPassword: PASSWORD, newPassword: NEW })).status).toBe(401);
  });
});

describe('the public keys', () => {
  it('verify tokens and tell no secret', async () => {
    const { status, body, headers } = await shop.request('GET', '/.well-known/jwks.json');
    expect(status).toBe(200);
    expect(headers.get('cache-control')).toBe('public, max-age=300');
    for (const key of body.keys) {
      expect(Object.keys(key).sort()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x']);
    }
  });
});
