import { gunzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { currentContext } from '../context.ts';
import { AppError } from '../errors.ts';
import { startEdge, type TestEdge } from '../testing/edge.ts';
import { pageOf, pageQuery } from './cursor.ts';
import { requireFresh } from './idempotency.ts';
import type { Problem, RequestError } from './problem.ts';
import { defineRoutes } from './route.ts';

const answers = { 200: { description: 'what was understood', schema: z.unknown() } };
const thing = z.object({ id: z.uuid() });

const routes = defineRoutes({
  readThing: { method: 'get', path: '/things/{id}', access: 'anyone', summary: 's', params: thing, answers },
  readMine: { method: 'get', path: '/things/mine', access: 'customer', summary: 's', answers },
  changeThing: {
    method: 'patch',
    path: '/things/{id}',
    access: 'anyone',
    summary: 's',
    params: thing,
    body: z.strictObject({ name: z.string().max(2_000_000), price: z.number().optional() }),
    answers,
  },
  listThings: {
    method: 'get',
    path: '/things',
    access: 'anyone',
    summary: 's',
    query: z.object({ ...pageQuery, sku: z.array(z.string()).optional(), q: z.string().optional() }),
    answers: { 200: { description: 'a page', schema: pageOf(thing) } },
  },
  pokeThing: { method: 'post', path: '/things/poke', access: 'anyone', summary: 's', answers },
  staffOnly: { method: 'get', path: '/staff', access: 'staff', summary: 's', answers },
  failing: {
    method: 'get',
    path: '/failing/{code}',
    access: 'anyone',
    summary: 's',
    params: z.object({ code: z.string() }),
    answers,
  },
  large: { method: 'get', path: '/large', access: 'anyone', summary: 's', answers },
  importThings: {
    method: 'post',
    path: '/import',
    access: 'anyone',
    summary: 's',
    rawBody: { as: 'stream', contentType: 'text/csv', maxBytes: 10 },
    answers,
  },
  hook: {
    method: 'post',
    path: '/hooks/me',
    absolute: true,
    access: 'anyone',
    summary: 's',
    rawBody: { as: 'bytes', contentType: 'application/json', maxBytes: 100 },
    answers,
  },
});

const id = '0192f0c1-0000-7000-8000-000000000001';
let edge: TestEdge;
let version = 3;

beforeAll(async () => {
  edge = await startEdge({
    routes,
    handlers: {
      readThing: async ({ params }) => ({ status: 200, body: { id: params.id, version }, version }),
      readMine: async ({ principal }) => ({ status: 200, body: principal }),
      changeThing: async ({ body, ifMatch }) => {
        requireFresh(ifMatch, version);
        return { status: 200, body: { name: body.name.slice(0, 10) } };
      },
      listThings: async ({ query }) => ({ status: 200, body: query }),
      pokeThing: async () => ({ status: 204 }),
      staffOnly: async () => ({ status: 200, body: currentContext() }),
      failing: async ({ params: { code } }) => {
        if (code === 'bug') throw new Error('select secret from host db.internal');
        throw new AppError('conflict', code, 'as asked', { extra: { status: 1, left: 3 } });
      },
      large: async () => ({ status: 200, body: { text: 'x'.repeat(5_000) }, version: 1 }),
      importThings: async ({ stream }) => ({ status: 200, body: await new Response(stream).text() }),
      hook: async ({ bytes }) => ({ status: 200, body: Buffer.from(bytes ?? []).toString() }),
    },
  });
});

type TestProblem = Problem & { errors: RequestError[] };

async function problemOf(response: Response): Promise<TestProblem> {
  expect(response.headers.get('content-type')).toBe('application/problem+json');
  const problem = (await response.json()) as TestProblem;
  expect(problem).toMatchObject({ status: response.status, type: `/problems/${problem.code}` });
  return problem;
}

const json = { 'content-type': 'application/json' };

function patch(body: RequestInit['body'], headers: Record<string, string> = json) {
  return edge.request(`/api/v1/things/${id}`, { method: 'PATCH', headers, body });
}

describe('matching', () => {
  it('answers an unknown path with a 404 problem', async () => {
    const response = await edge.request('/api/v1/nothing');
    expect(response.status).toBe(404);
    expect(await problemOf(response)).toMatchObject({ code: 'not_found', instance: '/api/v1/nothing' });
  });

  it('answers a method that the path does not have with 405 and those it has', async () => {
    const response = await edge.request('/api/v1/things', { method: 'DELETE' });
    expect(response.status).toBe(405);
    expect(response.headers.get('allow')).toBe('GET, HEAD');
    expect((await problemOf(response)).code).toBe('method_not_allowed');
  });

  it('prefers a literal to a parameter, whatever the order of declaration', async () => {
    const token = await edge.keys.token();
    const response = await edge.request('/api/v1/things/mine', {
      headers: { authorization: `Bearer ${token}` },
    });
    expect(await response.json()).toEqual({ userId: edge.keys.userId, role: 'customer' });
  });

  it('takes a malformed parameter for a thing that is not there', async () => {
    for (const path of ['/api/v1/things/1', `/api/v1/things/${id}%00`, '/api/v1/failing/%00']) {
      expect((await edge.request(path)).status).toBe(404);
    }
  });

  it('answers HEAD as GET, without the body', async () => {
    const response = await edge.request(`/api/v1/things/${id}`, { method: 'HEAD' });
    expect(response.status).toBe(200);
    expect(response.headers.get('etag')).toMatch(/^"3\./);
    expect(await response.text()).toBe('');
  });

  it('serves an absolute path outside the base, and its bytes as they came', async () => {
    const body = '{"b":1, "a":2}';
    const response = await edge.request('/hooks/me', { method: 'POST', headers: json, body });
    expect(await response.json()).toBe(body);
    expect((await edge.request('/api/v1/hooks/me', { method: 'POST', headers: json, body })).status).toBe(
      404,
    );
  });
});

describe('the query', () => {
  it('reads repeated parameters only where the route has a list', async () => {
    const response = await edge.request('/api/v1/things?sku=a&sku=b&limit=500&unknown=1');
    expect(await response.json()).toEqual({ limit: 100, sku: ['a', 'b'] });
    expect(await (await edge.request('/api/v1/things?sku=a')).json()).toMatchObject({ sku: ['a'] });
    const twice = await edge.request('/api/v1/things?q=a&q=b');
    expect(twice.status).toBe(400);
    expect((await problemOf(twice)).errors).toEqual([{ path: 'q', message: 'is given twice' }]);
  });

  it('lists what is wrong', async () => {
    for (const query of ['limit=0', 'limit=1.5', 'limit=x', 'limit=', 'q=', 'q=%00']) {
      const response = await edge.request(`/api/v1/things?${query}`);
      expect(response.status, query).toBe(400);
      expect((await problemOf(response)).errors).toMatchObject([{ path: query.split('=')[0] }]);
    }
  });
});

describe('the body', () => {
  it('is refused with 400 where it does not hold, naming the member', async () => {
    const problem = await problemOf(await patch('{"name":1,"role":"admin"}'));
    expect(problem.code).toBe('invalid_request');
    expect(problem.errors.map((error) => error.path).sort()).toEqual(['name', 'role']);
  });

  it('is refused with 400 when it is no JSON that can be trusted', async () => {
    const deep = `{"name":${'['.repeat(100)}${']'.repeat(100)}}`;
    const hostile = [
      '',
      '{',
      'NaN',
      '{"name":NaN}',
      '{"name":"a","__proto__":{"x":1}}',
      '{"name":"a","name":"b"}',
      '{"name":"a","price":1e309}',
      deep,
    ];
    for (const body of hostile) {
      const response = await patch(body);
      expect(response.status, body.slice(0, 40)).toBe(400);
      expect((await problemOf(response)).code).toBe('invalid_request');
    }
    expect((await patch(new Uint8Array([0x22, 0xff, 0x22]))).status).toBe(400);
  });

  it('must be JSON in UTF-8, else 415', async () => {
    const refused = [
      { 'content-type': 'text/plain' },
      { 'content-type': 'application/json; charset=latin1' },
      { 'content-type': 'application/json', 'content-encoding': 'gzip' },
    ];
    for (const headers of refused) {
      const response = await patch('{"name":"a"}', headers as Record<string, string>);
      expect(response.status).toBe(415);
      expect((await problemOf(response)).code).toBe('unsupported_media_type');
    }
    expect((await patch('{"name":"a"}', { 'content-type': 'Application/JSON; charset=UTF-8' })).status).toBe(
      200,
    );
  });

  it('may have 1 MiB and not a byte more, announced or chunked', async () => {
    const mebibyte = 1024 * 1024;
    const sized = (bytes: number) => `{"name":"${'x'.repeat(bytes - 11)}"}`;
    const chunked = (text: string) => new Blob([text]).stream();
    const announced = (text: string) => ({ ...json, 'content-length': String(text.length) });
    for (const [bytes, status] of [
      [mebibyte, 200],
      [mebibyte + 1, 413],
    ] as const) {
      const body = sized(bytes);
      expect((await patch(body, announced(body))).status).toBe(status);
      const response = await edge.request(`/api/v1/things/${id}`, {
        method: 'PATCH',
        headers: json,
        body: chunked(body),
        duplex: 'half',
      } as RequestInit);
      expect(response.status).toBe(status);
      if (status === 413) expect((await problemOf(response)).code).toBe('payload_too_large');
    }
  });

  it('may be absent or an empty object where the route has none', async () => {
    const poke = (init: RequestInit) => edge.request('/api/v1/things/poke', { method: 'POST', ...init });
    expect((await poke({})).status).toBe(204);
    expect((await poke({ headers: json, body: '{}' })).status).toBe(204);
    expect((await poke({ headers: json, body: '{"role":"admin"}' })).status).toBe(400);
  });

  it('is handed over as a stream where the route wants it, and ends at its limit', async () => {
    const send = (body: string, contentType = 'text/csv') =>
      edge.request('/api/v1/import', { method: 'POST', headers: { 'content-type': contentType }, body });
    expect(await (await send('0123456789')).json()).toBe('0123456789');
    expect((await send('01234567890')).status).toBe(413);
    expect((await send('1', 'application/json')).status).toBe(415);
  });
});

describe('failures', () => {
  it('tell nothing of an unknown error, which is logged once with its cause', async () => {
    const before = edge.logged.length;
    const response = await edge.request('/api/v1/failing/bug');
    expect(response.status).toBe(500);
    const text = await response.text();
    expect(text).not.toContain('secret');
    expect(JSON.parse(text)).toMatchObject({ code: 'internal', detail: 'something went wrong on our side' });
    const lines = edge.logged.slice(before).filter((line) => line.level === 'error');
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatchObject({
      traceId: JSON.parse(text).traceId,
      err: { message: 'select secret from host db.internal' },
    });
  });

  it('name the path as a URI, whatever was asked for', async () => {
    const response = await edge.request('/api/v1/a b|%zz[é]');
    expect((await problemOf(response)).instance).toBe('/api/v1/a%20b%7C%25zz%5B%C3%A9%5D');
  });

  it('carry the members that the module adds, but never over the standard ones', async () => {
    const response = await edge.request('/api/v1/failing/too_bad');
    expect(await problemOf(response)).toMatchObject({
      code: 'too_bad',
      title: 'Too bad',
      status: 409,
      left: 3,
    });
  });
});

describe('versions', () => {
  it('answer 304 for the tag that the client has, weak or in a list', async () => {
    const path = `/api/v1/things/${id}`;
    const etag = (await edge.request(path)).headers.get('etag') ?? '';
    for (const tags of [etag, `W/${etag}`, `"x", ${etag}`, '*']) {
      const response = await edge.request(path, { headers: { 'if-none-match': tags } });
      expect(response.status, tags).toBe(304);
      expect(response.headers.get('etag')).toBe(etag);
      expect(await response.text()).toBe('');
    }
    expect((await edge.request(path, { headers: { 'if-none-match': '"3.other"' } })).status).toBe(200);
  });

  it('refuse a write to what has changed since, with 412', async () => {
    const body = '{"name":"a"}';
    const path = `/api/v1/things/${id}`;
    const etag = (await edge.request(path)).headers.get('etag') ?? '';
    for (const tags of [etag, `W/${etag}`, `"9.x", ${etag}`, '"3.other-stock"', '*']) {
      expect((await patch(body, { ...json, 'if-match': tags })).status, tags).toBe(200);
    }
    version = 4;
    for (const tags of [etag, 'malformed', '""']) {
      const response = await patch(body, { ...json, 'if-match': tags });
      expect(response.status, tags).toBe(412);
      expect(await problemOf(response)).toMatchObject({ code: 'precondition_failed', currentVersion: 4 });
    }
  });
});

describe('every answer', () => {
  it('carries the request id that was sent, if it is harmless, or a new one', async () => {
    const ask = async (given: string) => {
      const response = await edge.request('/api/v1/things', { headers: { 'x-request-id': given } });
      return response.headers.get('x-request-id');
    };
    expect(await ask('cart-7')).toBe('cart-7');
    expect(await ask('a b<script>')).toMatch(/^[0-9a-f-]{36}$/);
    expect(await ask('x'.repeat(65))).toMatch(/^[0-9a-f-]{36}$/);
  });

  it("continues the caller's trace", async () => {
    const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
    const traceparent = `00-${traceId}-00f067aa0ba902b7-01`;
    const authorization = `Bearer ${await edge.keys.token('staff')}`;
    const seen = await (
      await edge.request('/api/v1/staff', { headers: { traceparent, authorization } })
    ).json();
    expect(seen).toMatchObject({ traceId, spanId: '00f067aa0ba902b7', userId: edge.keys.userId });
    const failed = await edge.request('/api/v1/nothing', { headers: { traceparent } });
    expect((await problemOf(failed)).traceId).toBe(traceId);
    const bad = await edge.request('/api/v1/nothing', { headers: { traceparent: '00-zz' } });
    expect((await problemOf(bad)).traceId).toMatch(/^[0-9a-f]{32}$/);
  });

  it('has the headers that keep browsers from harm', async () => {
    for (const path of ['/api/v1/things', '/api/v1/nothing', '/livez']) {
      const { headers } = await edge.request(path);
      expect(headers.get('content-security-policy')).toContain("default-src 'none'");
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('x-frame-options')).toBe('DENY');
    }
  });

  it('tells caches that it depends on who asks, if it might have been compressed', async () => {
    const long = await edge.request('/api/v1/large');
    expect(long.headers.get('vary')).toBe('Accept-Encoding');
    expect(long.headers.get('content-length')).toBe(String((await long.bytes()).length));
    expect((await edge.request('/api/v1/things')).headers.get('vary')).toBeNull();
    expect((await edge.request('/api/v1/large', { method: 'HEAD' })).headers.get('vary')).toBeNull();
  });

  it('says to a browser of another origin what its scripts may read', async () => {
    const shop = await startEdge({
      routes: { large: routes.large },
      handlers: { large: async () => ({ status: 200, body: 'x'.repeat(5_000) }) },
      config: { corsOrigins: ['https://shop.example'] },
    });
    const { headers } = await shop.request('/api/v1/large', { headers: { origin: 'https://shop.example' } });
    expect(headers.get('access-control-allow-origin')).toBe('https://shop.example');
    expect(headers.get('vary')).toBe('Accept-Encoding, Origin');
    expect(headers.get('x-frame-options')).toBe('DENY');
    expect(headers.get('x-request-id')).not.toBeNull();
  });

  it('is kept out of shared caches when it is for one user', async () => {
    const authorization = `Bearer ${await edge.keys.token()}`;
    const mine = await edge.request('/api/v1/things/mine', { headers: { authorization } });
    expect(mine.headers.get('cache-control')).toBe('private, no-cache');
    expect((await edge.request('/api/v1/nothing')).headers.get('cache-control')).toBe('no-store');
  });

  it('is logged by its pattern, never by its path', async () => {
    const before = edge.logged.length;
    await edge.request(`/api/v1/things/${id}`);
    await edge.request(`/api/v1/nothing/${id}`);
    const lines = edge.logged.slice(before);
    expect(lines).toMatchObject([
      { method: 'GET', route: '/api/v1/things/{id}', status: 200 },
      { method: 'GET', route: 'unmatched', status: 404 },
    ]);
    expect(JSON.stringify(lines)).not.toContain(id);
    expect(await edge.metrics.registry.metrics()).toContain(
      'http_request_duration_seconds_count{method="GET",route="/api/v1/things/{id}",status="200"}',
    );
  });

  it('is compressed for who asks, with a weak ETag that still counts as the same', async () => {
    const headers = { 'accept-encoding': 'gzip' };
    const response = await edge.request('/api/v1/large', { headers });
    expect(response.headers.get('content-encoding')).toBe('gzip');
    const etag = response.headers.get('etag') ?? '';
    expect(etag).toMatch(/^W\/"1\./);
    expect(JSON.parse(gunzipSync(await response.bytes()).toString()).text).toHaveLength(5_000);
    const again = await edge.request('/api/v1/large', { headers: { ...headers, 'if-none-match': etag } });
    expect(again.status).toBe(304);
    expect((await edge.request('/api/v1/things', { headers })).headers.get('content-encoding')).toBeNull();
  });
});
