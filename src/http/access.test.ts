import { createHmac } from 'node:crypto';
import { exportSPKI, importJWK, UnsecuredJWT } from 'jose';
import { beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { createTestKeys, startEdge, type TestEdge } from '../testing/edge.ts';
import { defineRoutes } from './route.ts';

const answers = { 200: { description: 'who asked', schema: z.unknown() } };
const routes = defineRoutes({
  open: { method: 'get', path: '/open', access: 'anyone', summary: 's', answers },
  customer: { method: 'get', path: '/customer', access: 'customer', summary: 's', answers },
  staff: { method: 'get', path: '/staff', access: 'staff', summary: 's', answers },
  admin: { method: 'post', path: '/admin', access: 'admin', summary: 's', answers },
});

async function start(options: Partial<Parameters<typeof startEdge>[0]> = {}): Promise<TestEdge> {
  const show = async ({ principal, clientAddress }: { principal: unknown; clientAddress: string }) => ({
    status: 200,
    body: { principal: principal ?? null, clientAddress },
  });
  const handlers = { open: show, customer: show, staff: show, admin: show };
  return await startEdge({ ...options, routes, handlers });
}

let edge: TestEdge;

beforeAll(async () => {
  edge = await start();
});

async function ask(path: string, token: string | undefined, init: RequestInit = {}) {
  const headers = { ...(token === undefined ? {} : { authorization: `Bearer ${token}` }), ...init.headers };
  const response = await edge.request(`/api/v1${path}`, { ...init, headers });
  const body = (await response.json()) as Record<string, unknown>;
  return { status: response.status, headers: response.headers, body };
}

describe('a token', () => {
  it('tells who asks, with the role it carries', async () => {
    const { status, body } = await ask('/customer', await edge.keys.token('staff'));
    expect(status).toBe(200);
    expect(body.principal).toEqual({ userId: edge.keys.userId, role: 'staff' });
  });

  it('is asked for with 401 and a challenge', async () => {
    for (const authorization of [undefined, '', 'Basic YTpi', 'Bearer', 'Bearer a b']) {
      const { status, headers, body } = await ask('/customer', undefined, {
        headers: authorization === undefined ? {} : { authorization },
      });
      expect(status).toBe(401);
      expect(headers.get('www-authenticate')).toBe('Bearer realm="banyan"');
      expect(body.code).toBe('unauthenticated');
    }
  });

  it('of an intruder is refused with 401', async () => {
    const { keys } = edge;
    const stranger = await createTestKeys();
    const [jwk] = keys.keySet.keys;
    const strangerKey = stranger.keySet.keys[0] as Record<string, unknown>;
    const past = Math.floor(Date.now() / 1000) - 1;
    const payload = { sub: keys.userId, role: 'admin', iss: 'banyan', aud: 'banyan', exp: past + 900 };
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const publicKey = await importJWK(jwk as { kty: string }, 'EdDSA', { extractable: true });
    const pem = await exportSPKI(publicKey as CryptoKey);
    const confused = `${part({ alg: 'HS256', typ: 'at+jwt', kid: 'test' })}.${part(payload)}`;
    const signature = createHmac('sha256', pem).update(confused).digest('base64url');
    const good = await keys.token();
    const forged: Record<string, string> = {
      'alg none': new UnsecuredJWT(payload).encode(),
      'alg none with a type': `${part({ alg: 'none', typ: 'at+jwt', kid: 'test' })}.${part(payload)}.`,
      'HS256 by the public key': `${confused}.${signature}`,
      'another key of the same name': await stranger.token('admin'),
      'its own jwk': await stranger.token('admin', { header: { jwk: strangerKey as { kty: string } } }),
      'its own jku': await stranger.token('admin', { header: { jku: 'https://evil.example/jwks.json' } }),
      'a jku, though well signed': await keys.token('admin', { header: { jku: 'https://evil.example' } }),
      'an unknown kid': await keys.token('customer', { header: { kid: 'other' } }),
      'another issuer': await keys.token('customer', { claims: { iss: 'evil' } }),
      'no issuer': await keys.token('customer', { claims: { iss: undefined } }),
      'another audience': await keys.token('customer', { claims: { aud: 'evil' } }),
      'another type': await keys.token('customer', { header: { typ: 'JWT' } }),
      'no type': await keys.token('customer', { header: { typ: undefined } }),
      expired: await keys.token('customer', { claims: { exp: past } }),
      'no expiry': await keys.token('customer', { claims: { exp: undefined } }),
      'no subject': await keys.token('customer', { claims: { sub: undefined } }),
      'a subject that is no id': await keys.token('customer', { claims: { sub: "' or 1=1" } }),
      'a role we do not know': await keys.token('root' as 'admin'),
      'a spoilt signature': `${good.slice(0, -6)}AAAAAA`,
      'no token at all': 'a.b.c',
    };
    for (const [name, token] of Object.entries(forged)) {
      const { status, headers, body } = await ask('/customer', token);
      expect(status, name).toBe(401);
      expect(body.code, name).toBe('invalid_token');
      expect(headers.get('www-authenticate')).toBe('Bearer realm="banyan", error="invalid_token"');
    }
  });

  it('of a lower role is refused with 403, before the request is looked at', async () => {
    const post = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{' };
    expect(await ask('/staff', await edge.keys.token('customer'))).toMatchObject({
      status: 403,
      body: { code: 'forbidden' },
    });
    expect((await ask('/admin', await edge.keys.token('staff'), post)).status).toBe(403);
    expect((await ask('/admin', await edge.keys.token('admin'), post)).status).toBe(400);
    expect((await ask('/staff', await edge.keys.token('admin'))).status).toBe(200);
  });

  it('is not looked at on a route for anyone', async () => {
    expect(await ask('/open', 'garbage')).toMatchObject({ status: 200, body: { principal: null } });
  });

  it('can not be checked while there are no keys: 503, not 401', async () => {
    for (const fetchKeys of [async () => ({ keys: [] }), () => Promise.reject(new Error('away'))]) {
      const keyless = await start({ fetchKeys });
      const authorization = `Bearer ${await keyless.keys.token()}`;
      const response = await keyless.request('/api/v1/customer', { headers: { authorization } });
      expect(response.status).toBe(503);
      expect(response.headers.get('retry-after')).toBe('1');
      expect(await response.json()).toMatchObject({ code: 'keys_unavailable' });
      expect((await keyless.request('/api/v1/customer')).status).toBe(401);
    }
  });

  it('is the only thing that tells who asks', async () => {
    const headers = { 'x-user-id': '0192f0c1-0000-7000-8000-00000000000f', 'x-role': 'admin' };
    const { body } = await ask('/customer', await edge.keys.token(), { headers });
    expect(body.principal).toEqual({ userId: edge.keys.userId, role: 'customer' });
  });
});

describe('the limit', () => {
  it('counts by address, tells what is left and answers 429 past it', async () => {
    const limited = await start({ config: { rateLimit: 2 } });
    const first = await limited.request('/api/v1/open');
    expect(first.headers.get('ratelimit-policy')).toBe('"default";q=2;w=60');
    expect(first.headers.get('ratelimit')).toMatch(/^"default";r=1;t=\d+$/);
    await limited.request('/api/v1/nothing');
    const third = await limited.request('/api/v1/open');
    expect(third.status).toBe(429);
    expect(third.headers.get('ratelimit')).toMatch(/^"default";r=0;t=\d+$/);
    expect(Number(third.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await third.json()).toMatchObject({ code: 'rate_limited', status: 429 });
    expect((await limited.request('/api/v1/open', { method: 'PUT' })).status).toBe(429);
    expect((await limited.request('/api/v1/nothing')).status).toBe(429);
    expect((await limited.request('/api/v1/open', { from: '192.0.2.2' })).status).toBe(200);
    expect((await limited.request('/readyz')).status).toBe(200);
  });

  it('counts a signed-in user apart from the address, and a forged token by the address', async () => {
    const limited = await start({ config: { rateLimit: 1 } });
    const authorization = `Bearer ${await limited.keys.token()}`;
    const asUser = () => limited.request('/api/v1/customer', { headers: { authorization } });
    expect((await asUser()).status).toBe(200);
    expect((await asUser()).status).toBe(429);
    const forged = { headers: { authorization: 'Bearer a.b.c' } };
    expect((await limited.request('/api/v1/customer', forged)).status).toBe(401);
    expect((await limited.request('/api/v1/customer', forged)).status).toBe(429);
  });

  it('can not be escaped by a forged X-Forwarded-For or by moving within an IPv6 network', async () => {
    const limited = await start({ config: { rateLimit: 1 } });
    const statusOf = async (from: string, forwarded?: string) =>
      (
        await limited.request('/api/v1/open', {
          from,
          headers: forwarded === undefined ? {} : { 'x-forwarded-for': forwarded },
        })
      ).status;
    expect(await statusOf('192.0.2.9', '203.0.113.1')).toBe(200);
    expect(await statusOf('192.0.2.9', '203.0.113.2')).toBe(429);
    expect(await statusOf('2001:db8:1:2::1')).toBe(200);
    expect(await statusOf('2001:db8:1:2:ffff::9')).toBe(429);
    expect(await statusOf('2001:db8:1:3::1')).toBe(200);
  });

  it('leaves out requests from within the process', async () => {
    const limited = await start({ config: { rateLimit: 1 } });
    for (let time = 0; time < 3; time += 1) {
      expect((await limited.app.request('/api/v1/open')).status).toBe(200);
    }
  });
});

describe('too many requests at once', () => {
  it('are refused with 503 while the others go on', async () => {
    const gate = Promise.withResolvers<void>();
    const busy = await startEdge({
      routes: { open: routes.open },
      handlers: { open: () => gate.promise.then(() => ({ status: 200, body: {} })) },
      requestsInFlight: 1,
    });
    const first = busy.request('/api/v1/open');
    const second = await busy.request('/api/v1/open');
    expect(second.status).toBe(503);
    expect(second.headers.get('retry-after')).toBe('1');
    expect(await second.json()).toMatchObject({ code: 'overloaded' });
    expect((await busy.request('/livez')).status).toBe(200);
    gate.resolve();
    expect((await first).status).toBe(200);
    expect((await busy.request('/api/v1/open')).status).toBe(200);
  });
});

describe('other origins', () => {
  it('may call when they are named, and read the headers they need', async () => {
    const shop = await start({ config: { corsOrigins: ['https://shop.example'] } });
    const preflight = await shop.request('/api/v1/customer', {
      method: 'OPTIONS',
      headers: { origin: 'https://shop.example', 'access-control-request-method': 'POST' },
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get('access-control-allow-origin')).toBe('https://shop.example');
    expect(preflight.headers.get('access-control-allow-headers')).toContain('Idempotency-Key');
    expect(preflight.headers.get('access-control-allow-methods')).toContain('PATCH');
    const own = await shop.request('/api/v1/open', { headers: { origin: 'https://shop.example' } });
    expect(own.headers.get('access-control-expose-headers')).toContain('Idempotency-Replayed');
    const failed = await shop.request('/api/v1/customer', { headers: { origin: 'https://shop.example' } });
    expect(failed.status).toBe(401);
    expect(failed.headers.get('access-control-allow-origin')).toBe('https://shop.example');
    const evil = await shop.request('/api/v1/open', { headers: { origin: 'https://evil.example' } });
    expect(evil.headers.get('access-control-allow-origin')).toBeNull();
  });

  it('may not when none is named', async () => {
    const response = await edge.request('/api/v1/open', { headers: { origin: 'https://shop.example' } });
    expect(response.headers.get('access-control-allow-origin')).toBeNull();
  });
});
