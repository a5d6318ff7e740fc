import { PassThrough, Readable } from 'node:stream';
import { Registry } from 'prom-client';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { sleep } from '../deadline.ts';
import { AppError } from '../errors.ts';
import { defineModule } from '../module.ts';
import type { PeerLimits } from '../peers/limits.ts';
import type { Peer, PeerRequest } from '../peers/peer.ts';
import { createPeers } from '../peers/peers.ts';
import { createLimiters } from '../redis/limiters.ts';
import { defineContract } from '../rpc/contract.ts';
import { createServiceTokens } from '../rpc/service-token.ts';
import { createLogger } from '../telemetry/log.ts';
import { createTestKeys, type TestKeys } from '../testing/edge.ts';
import { type PeerStandIn, startPeerStandIn } from '../testing/peer-stand-in.ts';
import { createApps, type PublicAppOptions } from './app.ts';
import { createForwardServer } from './forward-server.ts';
import { createMetrics } from './metrics.ts';
import { defineRoutes, type Handlers } from './route.ts';

const routes = defineRoutes({
  look: {
    method: 'get',
    path: '/things/{id}',
    summary: 'look',
    access: 'anyone',
    params: z.object({ id: z.string() }),
    answers: { 200: { description: 'what was asked' } },
  },
  mine: {
    method: 'post',
    path: '/things',
    summary: 'mine',
    access: 'customer',
    body: z.strictObject({ name: z.string() }),
    answers: { 201: { description: 'made' } },
  },
});
const thing = defineModule({
  contract: defineContract('thing', { calls: {} }),
  schema: 'things',
  needs: {},
  routes,
  create: () => {
    throw new Error('not hosted by a database here');
  },
});

let keys: TestKeys;
beforeAll(async () => {
  keys = await createTestKeys();
});

/** Answers that tell what arrived. */
function handlersOf(seen: Record<string, unknown>[]): Handlers<typeof routes> {
  return {
    look: async ({ params, clientAddress, headers }) => {
      seen.push({ ...Object.fromEntries(headers), clientAddress });
      return { status: 200, body: { id: params.id }, version: 1 };
    },
    mine: async ({ principal, body }) => {
      seen.push({ userId: principal.userId, body });
      return { status: 201, body, headers: { location: '/api/v1/things/1' } };
    },
  };
}

/** A gateway and the process that it passes requests on to, without a network between them. */
function startPair(
  config: Partial<PublicAppOptions['config']> = {},
  options: { peer?: Peer; atOnce?: number } = {},
) {
  const sent: PeerRequest[] = [];
  const seen: Record<string, unknown>[] = [];
  const answerHeaders: Record<string, string> = {};
  const tokens = createServiceTokens('a secret of this test, long enough to be one');
  const logged: Record<string, unknown>[] = [];
  const destination = { write: (line: string) => void logged.push(JSON.parse(line)) };
  const log = createLogger({ level: 'info', destination });
  const common = {
    config: {
      rateLimit: undefined,
      trustedProxies: [],
      corsOrigins: [],
      token: { issuer: 'banyan', audience: 'banyan' },
      ...config,
    },
    log,
    fetchKeys: async () => keys.keySet,
    limiters: createLimiters(undefined, 'test'),
    health: {
      version: '1',
      modules: {},
      peers: {},
      differingCalls: [],
      database: 'not used',
      redis: 'not used',
      progress: {},
      problems: async () => [],
    } as const,
  };
  const { ownerApp } = createApps({
    ...common,
    metrics: createMetrics(),
    modules: [
      {
        name: 'thing',
        routes,
        handlers: handlersOf(seen),
        idempotency: undefined as never,
      },
    ],
  });
  const server = createForwardServer({
    ownerApp,
    modules: [thing],
    hosted: new Map([['thing', true]]),
    tokens,
    log,
  });
  const peer: Peer = {
    module: 'thing',
    state: 'up',
    async send(request, read) {
      sent.push(request);
      const response = await server.request(request.path, {
        method: request.method,
        headers: request.headers as Record<string, string>,
        body: request.body as RequestInit['body'],
        duplex: 'half',
      } as RequestInit);
      return await read({
        status: response.status,
        headers: { ...Object.fromEntries(response.headers), ...answerHeaders },
        body: Readable.from(response.body ?? []),
      });
    },
  };
  const { publicApp } = createApps({
    ...common,
    metrics: createMetrics(),
    modules: [],
    elsewhere: [{ name: 'thing', routes, forward: { peer: options.peer ?? peer, tokens } }],
    requestsInFlight: options.atOnce,
  });
  return {
    sent,
    seen,
    logged,
    answerHeaders,
    ask: async (path: string, init: RequestInit & { from?: string } = {}) =>
      await publicApp.request(`/api/v1${path}`, init, {
        remoteAddress: init.from ?? '192.0.2.1',
      }),
  };
}

describe('a request that is passed on', () => {
  it('arrives under its own path, with its query, body and user', async () => {
    const { ask, seen, sent } = startPair();
    const token = await keys.token();
    const made = await ask('/things?a=%2F&b=1', {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: '{"name":"cup"}',
    });
    expect([made.status, await made.json(), made.headers.get('location')]).toEqual([
      201,
      { name: 'cup' },
      '/api/v1/things/1',
    ]);
    expect(seen).toMatchObject([{ userId: keys.userId, body: { name: 'cup' } }]);
    expect(sent[0]).toMatchObject({ path: '/api/v1/things?a=%2F&b=1', repeatable: false });
  });

  it('is repeatable only when it reads', async () => {
    const { ask, sent } = startPair();
    await ask('/things/1');
    await ask('/things/1', { method: 'HEAD' });
    expect(sent.map(({ repeatable }) => repeatable)).toEqual([true, true]);
  });

  it('leaves behind what belongs to the client’s connection, and what only a process may say', async () => {
    const { ask, seen, sent } = startPair();
    await ask('/things/1', {
      headers: {
        connection: 'keep-alive, x-hop',
        'x-hop': 'of one connection',
        'keep-alive': 'timeout=5',
        te: 'trailers',
        'proxy-authorization': 'Basic x',
        'x-forwarded-for': '10.0.0.9',
        forwarded: 'for=10.0.0.9',
        'banyan-client-address': '10.0.0.9',
        'banyan-service-token': 'forged',
        'x-own': 'kept',
      },
    });
    expect(seen[0]).toMatchObject({ 'x-own': 'kept', clientAddress: '192.0.2.1' });
    const names = Object.keys(sent[0]!.headers);
    for (const name of ['connection', 'x-hop', 'keep-alive', 'te', 'proxy-authorization', 'forwarded']) {
      expect(names).not.toContain(name);
    }
    expect(sent[0]!.headers['banyan-service-token']).not.toBe('forged');
  });

  it('passes on what routes go by, also when the client calls it a matter of its connection', async () => {
    const { ask, sent } = startPair();
    const headers = { authorization: 'Bearer x', 'idempotency-key': 'a key', 'if-match': '"1.a"' };
    await ask('/things/1', { headers: { ...headers, connection: Object.keys(headers).join(', ') } });
    expect(sent[0]!.headers).toMatchObject(headers);
  });

  it('takes the client’s address from trusted proxies of the edge alone', async () => {
    const { ask, seen } = startPair({ trustedProxies: ['192.0.2.0/24'] });
    await ask('/things/1', { headers: { 'x-forwarded-for': '203.0.113.7' } });
    await ask('/things/1', { headers: { 'x-forwarded-for': '203.0.113.7' }, from: '198.51.100.1' });
    expect(seen.map(({ clientAddress }) => clientAddress)).toEqual(['203.0.113.7', '198.51.100.1']);
  });

  it('is counted once, where it came in', async () => {
    const { ask } = startPair({ rateLimit: 2 });
    const rests = [];
    for (let request = 0; request < 2; request += 1) {
      const { headers, status } = await ask('/things/1');
      rests.push([status, /r=(\d+)/.exec(headers.get('ratelimit') ?? '')?.[1]]);
    }
    expect(rests).toEqual([
      [200, '1'],
      [200, '0'],
    ]);
    expect((await ask('/things/1')).status).toBe(429);
  });

  it('takes no place from the work of the process itself while its module hangs', async () => {
    const hanging: Peer = {
      module: 'thing',
      state: 'up',
      async send(request, read) {
        if (request.path.endsWith('/hangs')) return await new Promise(() => undefined);
        return await read({ status: 200, headers: {}, body: Readable.from([]) });
      },
    };
    const { ask } = startPair({}, { peer: hanging, atOnce: 1 });
    void ask('/things/hangs');
    await sleep(50);
    expect((await ask('/things/1')).status).toBe(200);
  });

  it('is no failure of its module when its client leaves', async () => {
    const { promise: sent, resolve } = Promise.withResolvers<PeerRequest>();
    const hanging: Peer = {
      module: 'thing',
      state: 'up',
      async send(request) {
        resolve(request);
        return await new Promise((_, reject) =>
          request.signal?.addEventListener('abort', () =>
            reject(new AppError('unavailable', 'gone', 'gone')),
          ),
        );
      },
    };
    const { ask, logged } = startPair({}, { peer: hanging });
    const client = new AbortController();
    const answer = ask('/things/1', { signal: client.signal });
    await sent;
    client.abort();
    expect((await answer).status).toBe(499);
    expect(logged.filter(({ level }) => level !== 'info')).toEqual([]);
  });

  it('is refused at the edge for want of a token, a size or a key, and goes nowhere', async () => {
    const { ask, sent } = startPair();
    expect((await ask('/things', { method: 'POST', body: '{}' })).status).toBe(401);
    const large = await ask('/things', {
      method: 'POST',
      headers: { authorization: `Bearer ${await keys.token()}`, 'content-type': 'application/json' },
      body: `"${'x'.repeat(1024 * 1024)}"`,
    });
    expect(large.status).toBe(413);
    expect(sent).toEqual([]);
  });
});

describe('an answer that is passed on', () => {
  it('keeps its ETag, and leaves behind what belongs to the connection it came by', async () => {
    const { ask, answerHeaders } = startPair();
    Object.assign(answerHeaders, {
      connection: 'close, x-hop',
      'x-hop': 'of one connection',
      'keep-alive': 'timeout=5',
      'banyan-peer': 'whatever',
      'x-own': 'kept',
    });
    const { headers } = await ask('/things/1');
    expect(headers.get('etag')).toMatch(/^"1\./);
    expect(headers.get('x-own')).toBe('kept');
    for (const name of ['connection', 'x-hop', 'keep-alive', 'banyan-peer'])
      expect(headers.get(name)).toBeNull();
  });

  it('comes as a stream when its length is not told', async () => {
    const body = new PassThrough();
    const peer: Peer = {
      module: 'thing',
      state: 'up',
      send: async (_, read) =>
        await read({ status: 200, headers: { 'content-type': 'text/event-stream' }, body }),
    };
    const { ask } = startPair({}, { peer });
    const answer = await ask('/things/1');
    const reader = answer.body!.getReader();
    // The rest is not even written yet.
    body.write('data: 1\n\n');
    expect(Buffer.from((await reader.read()).value!).toString()).toBe('data: 1\n\n');
    body.end('data: 2\n\n');
    expect(Buffer.from((await reader.read()).value!).toString()).toBe('data: 2\n\n');
    expect((await reader.read()).done).toBe(true);
  });

  it('is 304 and without a body when the client has it', async () => {
    const { ask } = startPair();
    const etag = (await ask('/things/1')).headers.get('etag')!;
    const again = await ask('/things/1', { headers: { 'if-none-match': etag } });
    expect([again.status, await again.text()]).toEqual([304, '']);
  });
});

describe('an answer from the network', () => {
  const open: { close(): Promise<void> }[] = [];
  afterEach(async () => {
    for (const each of open.splice(0)) await each.close();
  });

  async function startOverNetwork(limits: Partial<PeerLimits> = {}): Promise<{
    standIn: PeerStandIn;
    ask: ReturnType<typeof startPair>['ask'];
  }> {
    const standIn = await startPeerStandIn();
    const peers = createPeers({
      addresses: { thing: [standIn.url] },
      log: createLogger({ level: 'silent' }),
      registry: new Registry(),
      limits: { retryMs: 1, retryMaxMs: 2, closeMs: 100, ...limits },
    });
    open.push(peers, standIn);
    return { standIn, ask: startPair({}, { peer: peers.of('thing') }).ask };
  }

  it('leaves its connection to others, though the client never takes it', async () => {
    const { standIn, ask } = await startOverNetwork({ connections: 1 });
    standIn.answer = (_request, response) => void response.end('x'.repeat(4 * 1024 * 1024));
    const untaken = await ask('/things/1');
    expect((await ask('/things/2')).status).toBe(200);
    await untaken.body?.cancel();
  });

  it('that breaks off is asked for again when the request reads, and never told in part', async () => {
    const { standIn, ask } = await startOverNetwork();
    standIn.answer = (_request, response) => {
      response.writeHead(200, { 'content-length': '100' });
      response.write('half of it', () => response.destroy());
      standIn.answer = (_again, whole) => void whole.end('all of it');
    };
    const answer = await ask('/things/1');
    expect([answer.status, await answer.text()]).toEqual([200, 'all of it']);
  });
});
