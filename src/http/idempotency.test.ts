import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import type { Database } from '../database/database.ts';
import { AppError } from '../errors.ts';
import { ANSWER_TIMEOUT_MS } from '../limits.ts';
import { openPlatformDatabase } from '../testing/database.ts';
import { startEdge, type TestEdge } from '../testing/edge.ts';
import type { IdempotencyClaim } from './idempotency.ts';
import { createIdempotency, type IdempotencyStore } from './idempotency-store.ts';
import { type Answer, defineRoutes } from './route.ts';

const answers = { 201: { description: 'made', schema: z.unknown() } };
const make = { method: 'post', access: 'customer', summary: 's', answers } as const;
const routes = defineRoutes({
  makeThing: { ...make, path: '/things', body: z.strictObject({ name: z.string() }) },
  mustHaveKey: { ...make, path: '/strict', idempotency: 'required' },
  noKey: { ...make, path: '/free', idempotency: 'ignored' },
  ofShelf: { ...make, path: '/shelves/{id}/things', params: z.object({ id: z.string() }) },
});

let close: () => Promise<void>;
let database: Database;
let idempotency: IdempotencyStore;
let edge: TestEdge;
/** What the handler of `/things` does; each test sets it. */
let work: (name: string) => Promise<Answer>;
let calls = 0;

beforeAll(async () => {
  const opened = await openPlatformDatabase();
  close = () => opened.engine.close();
  database = opened.database;
  await database.rows(sql`create table ${sql.identifier(database.schema)}.thing (name text)`);
  idempotency = createIdempotency(database);
  edge = await startEdge({
    routes,
    idempotency,
    handlers: {
      makeThing: ({ claim, body }) =>
        idempotency.once(claim, async (tx) => {
          calls += 1;
          await tx.rows(sql`insert into ${sql.identifier(database.schema)}.thing values (${body.name})`);
          return await work(body.name);
        }),
      mustHaveKey: ({ claim }) => idempotency.once(claim, async () => ({ status: 201, body: {} })),
      noKey: async ({ claim }) => ({ status: 201, body: { claim: claim ?? null } }),
      ofShelf: ({ claim }) => idempotency.once(claim, async () => ({ status: 201, body: {} })),
    },
  });
});

afterAll(() => close());

let counter = 0;
function newKey(): string {
  counter += 1;
  return `key-${counter}`;
}

async function post(
  path: string,
  options: { key?: string; body?: string; token?: string; signal?: AbortSignal; headers?: object } = {},
): Promise<{ status: number; text: string; headers: Headers }> {
  const { key, body = '{"name":"a"}', token = await edge.keys.token(), signal } = options;
  const response = await edge.request(`/api/v1${path}`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      ...(key === undefined ? {} : { 'idempotency-key': key }),
      ...options.headers,
    },
    body,
    signal,
  });
  return { status: response.status, text: await response.text(), headers: response.headers };
}

async function things(name: string): Promise<number> {
  const table = sql`${sql.identifier(database.schema)}.thing`;
  const rows = await database.rows(sql`select 1 as found from ${table} where name = ${name}`);
  return rows.length;
}

function codeOf(answer: { text: string }): string {
  return JSON.parse(answer.text).code;
}

describe('a repeat with the same key and body', () => {
  it('gets the very same answer without a second effect', async () => {
    work = async () => ({
      status: 201,
      body: { zebra: 1, apple: { b: 1, a: 2 } },
      version: 7,
      headers: { location: '/here' },
    });
    const key = newKey();
    const body = '{"name":"once"}';
    const first = await post('/things', { key, body });
    const second = await post('/things', { key, body });
    expect(first.status).toBe(201);
    expect(second.status).toBe(201);
    expect(second.text).toBe(first.text);
    expect(second.headers.get('etag')).toBe(first.headers.get('etag'));
    expect(second.headers.get('location')).toBe('/here');
    expect(first.headers.get('idempotency-replayed')).toBeNull();
    expect(second.headers.get('idempotency-replayed')).toBe('true');
    expect(await things('once')).toBe(1);
  });

  it('gets the same failure of the handler, whose effect was rolled back', async () => {
    work = async () => {
      throw new AppError('conflict', 'insufficient_stock', 'none left', { extra: { items: [1] } });
    };
    const key = newKey();
    const body = '{"name":"refused"}';
    const first = await post('/things', { key, body });
    expect(first.status).toBe(409);
    work = async () => ({ status: 201, body: {} });
    const second = await post('/things', { key, body });
    expect(second.status).toBe(409);
    expect(second.text).toBe(first.text);
    expect(second.headers.get('content-type')).toBe('application/problem+json');
    expect(second.headers.get('idempotency-replayed')).toBe('true');
    expect(await things('refused')).toBe(0);
  });

  it('gets the same validation failure, and a mended body under the old key is refused', async () => {
    work = async () => ({ status: 201, body: {} });
    const key = newKey();
    const first = await post('/things', { key, body: '{"name":1}' });
    expect(first.status).toBe(400);
    expect((await post('/things', { key, body: '{"name":1}' })).text).toBe(first.text);
    const mended = await post('/things', { key, body: '{"name":"a"}' });
    expect(mended.status).toBe(422);
    expect(codeOf(mended)).toBe('idempotency_key_reused');
  });

  it.each([
    ['202', async (): Promise<Answer> => ({ status: 202, body: {} }), 202],
    ['a limit', async () => Promise.reject(new AppError('too_many', 'rate_limited', 'slowly')), 429],
    ['an outage', async () => Promise.reject(new AppError('unavailable', 'away', 'away')), 503],
    ['a bug', async () => Promise.reject(new Error('a bug')), 500],
  ])('does the work anew after %s, which is no final answer', async (_name, unfinished, status) => {
    const key = newKey();
    work = unfinished as () => Promise<Answer>;
    expect((await post('/things', { key })).status).toBe(status);
    work = async () => ({ status: 201, body: {} });
    const second = await post('/things', { key });
    expect(second.status).toBe(201);
    expect(second.headers.get('idempotency-replayed')).toBeNull();
  });

  it('does the work anew once the key is a day old, by the clock of the database', async () => {
    work = async () => ({ status: 201, body: {} });
    const key = newKey();
    await post('/things', { key, body: '{"name":"daily"}' });
    await age(key, 25);
    const second = await post('/things', { key, body: '{"name":"daily"}' });
    expect(second.status).toBe(201);
    expect(second.headers.get('idempotency-replayed')).toBeNull();
    expect(await things('daily')).toBe(2);
    expect(
      (await post('/things', { key, body: '{"name":"daily"}' })).headers.get('idempotency-replayed'),
    ).toBe('true');
  });
});

async function age(key: string, hours: number): Promise<void> {
  await database.rows(sql`
    update ${sql.identifier(database.schema)}.idempotency
    set created_at = now() - make_interval(hours => ${hours}::int) where key = ${key}`);
}

describe('a key', () => {
  it('is refused with another body, another path or an answer already there', async () => {
    work = async () => ({ status: 201, body: {} });
    const key = newKey();
    await post('/things', { key });
    for (const body of ['{"name":"b"}', '{ "name":"a"}', '{"name":1}']) {
      const second = await post('/things', { key, body });
      expect(second.status, body).toBe(422);
      expect(codeOf(second)).toBe('idempotency_key_reused');
    }
    await post('/shelves/1/things', { key, body: '' });
    expect((await post('/shelves/2/things', { key, body: '' })).status).toBe(422);
  });

  it('belongs to one user and one route', async () => {
    work = async () => ({ status: 201, body: {} });
    const key = newKey();
    const other = '0192f0c1-0000-7000-8000-00000000000f';
    await post('/things', { key });
    const token = await edge.keys.token('customer', { claims: { sub: other } });
    for (const answer of [await post('/things', { key, token }), await post('/strict', { key, body: '' })]) {
      expect(answer.status).toBe(201);
      expect(answer.headers.get('idempotency-replayed')).toBeNull();
    }
  });

  it('is demanded where the route requires one, before the body is looked at', async () => {
    for (const key of [undefined, '']) {
      const answer = await post('/strict', { key, body: '{' });
      expect(answer.status).toBe(400);
      expect(codeOf(answer)).toBe('idempotency_key_missing');
    }
  });

  it('must be 1 to 255 printable ASCII characters', async () => {
    work = async () => ({ status: 201, body: {} });
    for (const key of ['', 'x'.repeat(256), 'schlüssel', 'a\tb']) {
      const answer = await post('/things', { key });
      expect(answer.status, key).toBe(400);
      expect(codeOf(answer)).toBe('invalid_request');
    }
    expect((await post('/things', { key: ` ${'x'.repeat(255)} ` })).status).toBe(201);
  });

  it('is no matter where the route ignores it', async () => {
    const answer = await post('/free', { key: newKey(), body: '' });
    expect(answer.text).toBe('{"claim":null}');
  });
});

describe('while the first request runs', () => {
  it('another with its key is told so', async () => {
    const key = newKey();
    const started = Promise.withResolvers<void>();
    const gate = Promise.withResolvers<Answer>();
    work = () => {
      started.resolve();
      return gate.promise;
    };
    const first = post('/things', { key });
    // Two requests that are sent at once may come in either order.
    await started.promise;
    const second = await post('/things', { key });
    expect(second.status).toBe(409);
    expect(codeOf(second)).toBe('idempotency_key_in_flight');
    expect(second.headers.get('retry-after')).toBe('1');
    gate.resolve({ status: 201, body: { made: 1 } });
    expect((await first).status).toBe(201);
    expect((await post('/things', { key })).text).toBe('{"made":1}');
  });

  it('another waits for its answer once the first client has gone', async () => {
    const key = newKey();
    const started = Promise.withResolvers<void>();
    const gate = Promise.withResolvers<Answer>();
    work = () => {
      started.resolve();
      return gate.promise;
    };
    const client = new AbortController();
    calls = 0;
    const first = post('/things', { key, signal: client.signal });
    await started.promise;
    client.abort();
    const second = post('/things', { key });
    const third = post('/things', { key });
    gate.resolve({ status: 201, body: { made: 1 } });
    const repeats = await Promise.all([second, third]);
    await first;
    expect(calls).toBe(1);
    const replayed = repeats.filter((answer) => answer.headers.get('idempotency-replayed') === 'true');
    expect(replayed.length).toBeGreaterThanOrEqual(1);
    for (const answer of repeats) expect([201, 409]).toContain(answer.status);
  });
});

describe('a request that takes too long', () => {
  it('is answered 503, and a repeat gets the outcome of its work', async () => {
    const key = newKey();
    const gate = Promise.withResolvers<Answer>();
    const started = Promise.withResolvers<void>();
    work = () => {
      started.resolve();
      return gate.promise;
    };
    const token = await edge.keys.token();
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      const first = post('/things', { key, token });
      await started.promise;
      vi.advanceTimersByTime(ANSWER_TIMEOUT_MS);
      expect(await first).toMatchObject({ status: 503 });
    } finally {
      vi.useRealTimers();
    }
    const second = post('/things', { key });
    gate.resolve({ status: 201, body: { late: true } });
    expect(await second).toMatchObject({ status: 201, text: '{"late":true}' });
  });
});

describe('the store', () => {
  const claim = (key: string): IdempotencyClaim => ({
    userId: '0192f0c1-0000-7000-8000-000000000001',
    route: 'POST /orders',
    key,
    fingerprint: 'f',
  });
  const resourceId = '0192f0c1-0000-7000-8000-0000000000aa';

  it('keeps a claim until it is completed, and gives its resource to who asks', async () => {
    const own = claim(newKey());
    expect(await idempotency.find(own)).toBeUndefined();
    await database.transaction((tx) => idempotency.claim(tx, own, resourceId));
    expect(await idempotency.find(own)).toEqual({ state: 'claimed', resourceId });
    await expect(database.transaction((tx) => idempotency.claim(tx, own, resourceId))).rejects.toMatchObject({
      code: 'idempotency_key_in_flight',
    });
    await expect(idempotency.once(own, async () => ({ status: 200 }))).rejects.toMatchObject({
      code: 'idempotency_key_in_flight',
    });
    await database.transaction((tx) => idempotency.complete(tx, own, { status: 201, body: [1], version: 2 }));
    expect(await idempotency.find(own)).toEqual({
      state: 'answered',
      resourceId,
      answer: { status: 201, body: [1], version: 2, headers: { 'idempotency-replayed': 'true' } },
    });
  });

  it('refuses a claim under another body', async () => {
    const own = claim(newKey());
    await database.transaction((tx) => idempotency.claim(tx, own, resourceId));
    const other = { ...own, fingerprint: 'g' };
    for (const attempt of [
      () => idempotency.find(other),
      () => database.transaction((tx) => idempotency.claim(tx, other, resourceId)),
      () => idempotency.keep(other, { status: 400 }),
    ]) {
      await expect(attempt()).rejects.toMatchObject({ code: 'idempotency_key_reused' });
    }
  });

  it('forgets a released claim, but never an answer', async () => {
    const own = claim(newKey());
    await database.transaction((tx) => idempotency.claim(tx, own, resourceId));
    await database.transaction((tx) => idempotency.release(tx, own));
    expect(await idempotency.find(own)).toBeUndefined();
    await database.transaction((tx) => idempotency.complete(tx, own, { status: 204 }));
    await database.transaction((tx) => idempotency.release(tx, own));
    expect(await idempotency.find(own)).toMatchObject({ state: 'answered', answer: { status: 204 } });
  });

  it('lets the first answer stand', async () => {
    const own = claim(newKey());
    await database.transaction((tx) => idempotency.complete(tx, own, { status: 201, body: 1 }));
    await database.transaction((tx) => idempotency.complete(tx, own, { status: 409, body: 2 }));
    expect(await idempotency.keep(own, { status: 400, body: 3 })).toMatchObject({ status: 201, body: 1 });
    expect(await idempotency.find(own)).toMatchObject({ answer: { status: 201, body: 1 } });
  });

  it('has no second answer for a key whose work is under way elsewhere', async () => {
    const own = claim(newKey());
    await database.transaction((tx) => idempotency.claim(tx, own, resourceId));
    await expect(idempotency.keep(own, { status: 422, body: 3 })).rejects.toMatchObject({
      code: 'idempotency_key_in_flight',
    });
    expect(await idempotency.find(own)).toEqual({ state: 'claimed', resourceId });
  });

  it('undoes the claim with the transaction that made it', async () => {
    const own = claim(newKey());
    const failing = database.transaction(async (tx) => {
      await idempotency.claim(tx, own, resourceId);
      throw new Error('rolled back');
    });
    await expect(failing).rejects.toThrow('rolled back');
    expect(await idempotency.find(own)).toBeUndefined();
  });

  it('only does the work when there is no key', async () => {
    expect(await idempotency.once(undefined, async () => ({ status: 201 }))).toEqual({ status: 201 });
    expect(await idempotency.find(undefined)).toBeUndefined();
  });

  it('refuses to complete with an answer that is not the last word', async () => {
    const own = claim(newKey());
    await expect(
      database.transaction((tx) => idempotency.complete(tx, own, { status: 202 })),
    ).rejects.toThrow('202 is a final answer');
  });

  it('deletes what is older than a day and nothing else', async () => {
    const [old, fresh] = [claim(newKey()), claim(newKey())];
    await idempotency.keep(old, { status: 400 });
    await idempotency.keep(fresh, { status: 400 });
    await age(old.key, 24);
    await age(fresh.key, 23);
    expect(await idempotency.find(old)).toBeUndefined();
    expect(await idempotency.deleteOldKeys()).toBe(1);
    expect(await idempotency.find(fresh)).toBeDefined();
  });
});
