import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createApiClient, ShopUnavailable } from './api-client.ts';

type Reply = { status: number; body?: object; headers?: Record<string, string> } | 'lost';

let server: Server;
let url: string;
let replies: Reply[];
let requests: IncomingMessage[];

beforeAll(async () => {
  server = createServer((request, response) => {
    requests.push(request);
    // The last reply is given for ever.
    const reply = (replies.length > 1 ? replies.shift() : replies[0])!;
    if (reply === 'lost') {
      request.socket.destroy();
      return;
    }
    response.writeHead(reply.status, { 'content-type': 'application/json', ...reply.headers });
    response.end(JSON.stringify(reply.body ?? {}));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(() => {
  server.close();
});

beforeEach(() => {
  requests = [];
});

test('paths are below the API, unless a Location gives them whole', async () => {
  replies = [{ status: 200, body: { ok: true } }];
  const client = createApiClient(url, 1000);
  expect((await client.request('GET', '/products?limit=1')).body).toEqual({ ok: true });
  await client.request('GET', '/api/v1/orders/1', { token: 'x' });
  expect(requests.map((request) => request.url)).toEqual(['/api/v1/products?limit=1', '/api/v1/orders/1']);
  expect(requests[1]?.headers.authorization).toBe('Bearer x');
});

test.each<[string, Reply]>([
  ['429', { status: 429, headers: { 'retry-after': '0' } }],
  ['503', { status: 503 }],
  ['a key in flight', { status: 409, body: { code: 'idempotency_key_in_flight' } }],
  ['a lost connection', 'lost'],
])('%s is tried again until the shop answers', async (_name, passing) => {
  replies = [passing, passing, { status: 201, body: { id: '1' } }];
  const answer = await createApiClient(url, 10_000).request('POST', '/orders', { json: { a: 1 } });
  expect(answer.status).toBe(201);
  expect(requests).toHaveLength(3);
});

test('any other answer is final', async () => {
  replies = [{ status: 409, body: { code: 'insufficient_stock' } }];
  const answer = await createApiClient(url, 10_000).request('POST', '/orders', { json: {} });
  expect(answer.body.code).toBe('insufficient_stock');
  expect(requests).toHaveLength(1);
});

test('a wait longer than its patience is not begun', async () => {
  replies = [{ status: 503, body: { code: 'overloaded' }, headers: { 'retry-after': '3600' } }];
  const failure = createApiClient(url, 5_000).request('GET', '/products');
  await expect(failure).rejects.toThrow(ShopUnavailable);
  await expect(failure).rejects.toThrow('GET /api/v1/products: gave up after 1 attempts (503 overloaded)');
});

test('a shop that is not there is unavailable, and the reason is named', async () => {
  const failure = createApiClient('http://127.0.0.1:1', 0).request('GET', '/products');
  await expect(failure).rejects.toThrow('gave up after 1 attempts');
});

test('who is kept waiting is told why, once for all requests that wait', async () => {
  replies = [{ status: 503, body: { code: 'database_unavailable' }, headers: { 'retry-after': '1' } }];
  const told: string[] = [];
  const client = createApiClient(url, 7_000, (sentence) => told.push(sentence));
  const waiting = ['/products', '/orders'].map((path) => client.request('GET', path));
  for (const outcome of await Promise.allSettled(waiting)) expect(outcome.status).toBe('rejected');
  expect(told).toEqual([
    expect.stringMatching(/^GET \S+: 503 database_unavailable; trying again since \d s, for 7 s at most$/),
  ]);
});
