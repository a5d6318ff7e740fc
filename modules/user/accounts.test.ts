import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startShop, type TestShop } from '#platform/testing/shop';
import { userContract } from './contract.ts';
import { userModule } from './module.ts';

const ABSENT = '01900000-0000-7000-8000-000000000000';
const PASSWORD = 'a long enough password';

let shop: TestShop;
let admin: { userId: string; token: string };

beforeAll(async () => {
  shop = await startShop({ modules: [userModule] });
  admin = await shop.signUp('admin');
});
afterAll(async () => {
  await shop.stop();
});

let made = 0;
async function register(changes: object = {}) {
  made += 1;
  const body = { email: `person${made}@example.com`, username: `person ${made}`, password: PASSWORD };
  return await shop.request('POST', '/users', { body: { ...body, ...changes } });
}

describe('registering', () => {
  it('answers the user, where to find it, and its ETag', async () => {
    const { status, body, headers } = await register({ email: ' Anna@Example.COM ', username: 'Anna' });
    expect(status).toBe(201);
    expect(body).toEqual({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      email: 'anna@example.com',
      username: 'Anna',
      role: 'customer',
      createdAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      updatedAt: body.createdAt,
    });
    expect(headers.get('location')).toBe(`/api/v1/users/${body.id}`);
    expect(headers.get('etag')).toMatch(/^"1\./);
  });

  it('refuses an address or a username that is taken, in whatever case', async () => {
    await register({ email: 'taken@example.com', username: 'Taken' });
    const email = await register({ email: 'TAKEN@example.com' });
    expect([email.status, email.body.code]).toEqual([409, 'email_taken']);
    const username = await register({ username: 'tAKEN' });
    expect([username.status, username.body.code]).toEqual([409, 'username_taken']);
  });

  it('gives an address to one of many who want it at once', async () => {
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => register({ email: 'race@example.com' })),
    );
    expect(answers.map((answer) => answer.status).sort()).toEqual([201, ...Array(7).fill(409)]);
  });

  it.each([
    ['a role', { role: 'admin' }, 'role'],
    ['an id', { id: ABSENT }, 'id'],
    ['no e-mail address', { email: 'anna' }, 'email'],
    ['two addresses in one', { email: 'a@example.com, b@example.com' }, 'email'],
    ['a line break in the address', { email: 'a@example.com\r\nBcc: b@example.com' }, 'email'],
    ['an empty username', { username: ' ' }, 'username'],
    ['a username that does not show', { username: 'an\u200bna' }, 'username'],
    ['a short password', { password: '1234567' }, 'password'],
    ['a password past 128 characters', { password: 'x'.repeat(129) }, 'password'],
    ['a common password', { password: 'Password1' }, 'password'],
  ])('refuses %s', async (_, changes, path) => {
    const { status, body } = await register(changes);
    expect([status, body.code]).toEqual([400, 'invalid_request']);
    expect(body.errors[0].path).toBe(path);
  });

  it('stores the password hashed', async () => {
    const { body } = await register();
    const [row] = await shop
      .database('user')
      .rows<{ hash: string }>(
        sql`select password_hash as hash from users.person where account_id = ${body.id}::uuid`,
      );
    expect(row?.hash).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
  });
});

describe('reading a user', () => {
  it('shows oneself, by id and as me', async () => {
    const { userId, token } = await shop.signUp();
    const me = await shop.request('GET', '/users/me', { token });
    const byId = await shop.request('GET', `/users/${userId}`, { token });
    expect([me.status, me.body.id]).toEqual([200, userId]);
    expect(byId.body).toEqual(me.body);
  });

  it('is 304 while nothing has changed', async () => {
    const { token } = await shop.signUp();
    const first = await shop.request('GET', '/users/me', { token });
    const etag = first.headers.get('etag') ?? '';
    const second = await shop.request('GET', '/users/me', { token, headers: { 'if-none-match': etag } });
    expect(second.status).toBe(304);
  });

  it('shows anyone to an admin', async () => {
    const { userId } = await shop.signUp();
    const answer = await shop.request('GET', `/users/${userId}`, { token: admin.token });
    expect([answer.status, answer.body.id]).toEqual([200, userId]);
  });
});

describe("somebody else's id", () => {
  it.each([
    ['GET', '', undefined],
    ['PATCH', '', { username: 'mine now' }],
    ['PUT', '', { username: 'mine now' }],
    ['DELETE', '', undefined],
  ])('is 404 to %s, for customers and staff, as an absent one is', async (method, tail, body) => {
    const { userId } = await shop.signUp();
    const customer = await shop.signUp();
    const staff = await shop.signUp('staff');
    for (const { token } of [customer, staff]) {
      for (const id of [userId, ABSENT, 'nonsense']) {
        const answer = await shop.request(method, `/users/${id}${tail}`, { token, body });
        expect([answer.status, answer.body.code]).toEqual([404, 'not_found']);
      }
    }
    const absent = await shop.request(method, `/users/${ABSENT}`, { token: admin.token, body });
    expect(absent.status).toBe(404);
  });

  it('does not exist without a token either', async () => {
    const { userId } = await shop.signUp();
    expect((await shop.request('GET', `/users/${userId}`)).status).toBe(401);
    expect((await shop.request('GET', '/users/me')).status).toBe(401);
  });
});

describe('listing users', () => {
  it('is for admins', async () => {
    const staff = await shop.signUp('staff');
    const answer = await shop.request('GET', '/users', { token: staff.token });
    expect([answer.status, answer.body.code]).toEqual([403, 'forbidden']);
  });

  it('walks over all, newest first, each once, while others register', async () => {
    const ids: string[] = [];
    for (let count = 0; count < 5; count += 1) ids.unshift((await register()).body.id);
    const seen: string[] = [];
    let cursor = '';
    for (let page = 0; page < 3; page += 1) {
      const { body } = await shop.request('GET', `/users?limit=2${cursor}`, { token: admin.token });
      seen.push(...body.data.map((user: { id: string }) => user.id));
      cursor = `&cursor=${body.nextCursor}`;
      await register();
    }
    expect(seen.slice(0, 5)).toEqual(ids);
    expect(new Set(seen).size).toBe(6);
  });

  it('finds by address, however it is written, and by role', async () => {
    const { body: user } = await register();
    const email = encodeURIComponent(user.email.toUpperCase());
    const byEmail = await shop.request('GET', `/users?email=${email}`, { token: admin.token });
    expect(byEmail.body).toEqual({ data: [user], nextCursor: null });
    const admins = await shop.request('GET', '/users?role=admin', { token: admin.token });
    expect(admins.body.data.map((entry: { role: string }) => entry.role)).toEqual(['admin', 'admin']);
  });

  it('refuses a cursor of other filters, and an empty one', async () => {
    const { body } = await shop.request('GET', '/users?limit=1', { token: admin.token });
    const path = `/users?limit=1&role=customer&cursor=${body.nextCursor}`;
    const other = await shop.request('GET', path, { token: admin.token });
    expect([other.status, other.body.code]).toEqual([400, 'invalid_cursor']);
    const empty = await shop.request('GET', '/users?limit=1&cursor=', { token: admin.token });
    expect([empty.status, empty.body.code]).toEqual([400, 'invalid_request']);
  });
});

describe.each(['PATCH', 'PUT'])('%s of a user', (method) => {
  it('changes what is named and nothing else', async () => {
    const { userId, token } = await shop.signUp();
    const before = (await shop.request('GET', '/users/me', { token })).body;
    const body = { email: `New.${method}@example.com` };
    const answer = await shop.request(method, `/users/${userId}`, { token, body });
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual({
      ...before,
      email: `new.${method.toLowerCase()}@example.com`,
      updatedAt: answer.body.updatedAt,
    });
    expect(answer.headers.get('etag')).toMatch(/^"2\./);
  });

  it('is refused when the resource has changed since it was read', async () => {
    const { userId, token } = await shop.signUp();
    const etag = (await shop.request('GET', '/users/me', { token })).headers.get('etag') ?? '';
    const change = (username: string) =>
      shop.request(method, `/users/${userId}`, { token, body: { username }, headers: { 'if-match': etag } });
    expect((await change(`first ${userId}`)).status).toBe(200);
    const second = await change(`second ${userId}`);
    expect([second.status, second.body.code]).toEqual([412, 'precondition_failed']);
    expect((await shop.request('GET', '/users/me', { token })).body.username).toBe(`first ${userId}`);
  });

  it("refuses another's address and name", async () => {
    const { body: other } = await register();
    const { userId, token } = await shop.signUp();
    const email = await shop.request(method, `/users/${userId}`, { token, body: { email: other.email } });
    expect([email.status, email.body.code]).toEqual([409, 'email_taken']);
    const name = await shop.request(method, `/users/${userId}`, {
      token,
      body: { username: other.username },
    });
    expect([name.status, name.body.code]).toEqual([409, 'username_taken']);
  });

  it.each([{ role: 'admin' }, { password: 'a long enough password' }, { email: null }])(
    'refuses %j',
    async (body) => {
      const { userId, token } = await shop.signUp();
      const answer = await shop.request(method, `/users/${userId}`, { token, body });
      expect([answer.status, answer.body.code]).toEqual([400, 'invalid_request']);
    },
  );
});

describe('setting a role', () => {
  it('is for admins', async () => {
    const { userId, token } = await shop.signUp('staff');
    const answer = await shop.request('PUT', `/users/${userId}/role`, { token, body: { role: 'admin' } });
    expect(answer.status).toBe(403);
  });

  it('shows at once in the user', async () => {
    const { userId } = await shop.signUp();
    const path = `/users/${userId}/role`;
    const answer = await shop.request('PUT', path, { token: admin.token, body: { role: 'staff' } });
    expect([answer.status, answer.body.role]).toEqual([200, 'staff']);
    const etag = answer.headers.get('etag');
    const again = await shop.request('PUT', path, { token: admin.token, body: { role: 'staff' } });
    expect([again.status, again.headers.get('etag')]).toEqual([200, etag]);
  });

  it('refuses what is no role, and who does not exist', async () => {
    const { userId } = await shop.signUp();
    const wrong = await shop.request('PUT', `/users/${userId}/role`, {
      token: admin.token,
      body: { role: 'root' },
    });
    expect(wrong.status).toBe(400);
    const absent = await shop.request('PUT', `/users/${ABSENT}/role`, {
      token: admin.token,
      body: { role: 'staff' },
    });
    expect(absent.status).toBe(404);
  });
});

describe('erasing a user', () => {
  it('leaves nothing personal and ends every way in', async () => {
    const account = { email: 'gone@example.com', username: 'Gone Girl', password: PASSWORD };
    const { body: user } = await shop.request('POST', '/users', { body: account });
    const credentials = { email: account.email, password: PASSWORD };
    const { body: tokens } = await shop.request('POST', '/auth/login', { body: credentials });
    const token = tokens.accessToken;

    expect((await shop.request('DELETE', `/users/${user.id}`, { token })).status).toBe(204);

    expect((await shop.request('GET', '/users/me', { token })).status).toBe(404);
    expect((await shop.request('DELETE', `/users/${user.id}`, { token })).status).toBe(404);
    expect((await shop.request('POST', '/auth/login', { body: credentials })).status).toBe(401);
    const refresh = { refreshToken: tokens.refreshToken };
    expect((await shop.request('POST', '/auth/refresh', { body: refresh })).status).toBe(401);
    expect((await shop.api(userContract).profiles({ ids: [user.id] })).users).toEqual([]);
    expect(await textOfSchema()).not.toMatch(/gone/i);
    // The address is free again, for another account.
    const again = await shop.request('POST', '/users', { body: account });
    expect([again.status, again.body.id === user.id]).toEqual([201, false]);
  });

  it('tells the other modules, without anything personal', async () => {
    const { userId, token } = await shop.signUp();
    await shop.request('DELETE', `/users/${userId}`, { token });
    const events = await shop
      .database('user')
      .rows(sql`select type, stream, version, data from users.outbox where stream = ${`user:${userId}`}`);
    expect(events).toEqual([
      { type: 'user.erased.v1', stream: `user:${userId}`, version: 2, data: { userId } },
    ]);
  });

  it('may be done by an admin, and is held to If-Match', async () => {
    const { userId } = await shop.signUp();
    const stale = { token: admin.token, headers: { 'if-match': '"7.x"' } };
    expect((await shop.request('DELETE', `/users/${userId}`, stale)).status).toBe(412);
    expect((await shop.request('DELETE', `/users/${userId}`, { token: admin.token })).status).toBe(204);
  });

  /** Every row of every table of the module, as text. */
  async function textOfSchema(): Promise<string> {
    const database = shop.database('user');
    const tables = await database.rows<{ name: string }>(
      sql`select table_name as name from information_schema.tables where table_schema = 'users'`,
    );
    const texts = await Promise.all(
      tables.map(({ name }) =>
        database.rows(sql`select t::text as text from users.${sql.identifier(name)} t`),
      ),
    );
    return JSON.stringify(texts);
  }
});

describe('profiles', () => {
  it('are of the users that exist, without what others need not know', async () => {
    const { body: user } = await register();
    const { users } = await shop.api(userContract).profiles({ ids: [user.id, ABSENT] });
    expect(users).toEqual([user]);
  });
});
