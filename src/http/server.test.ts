import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { startEdge, type TestEdge } from '../testing/edge.ts';
import { defineRoutes } from './route.ts';
import { type Listener, listen } from './server.ts';

const answers = { 200: { description: 'what came', schema: z.unknown() } };
const routes = defineRoutes({
  hello: { method: 'get', path: '/hello', access: 'anyone', summary: 's', answers },
  slow: { method: 'get', path: '/slow', access: 'anyone', summary: 's', answers },
  splitting: { method: 'get', path: '/splitting', access: 'anyone', summary: 's', answers },
  take: {
    method: 'post',
    path: '/take',
    access: 'anyone',
    summary: 's',
    body: z.strictObject({ text: z.string() }),
    answers,
  },
});

let edge: TestEdge;
let started = Promise.withResolvers<AbortSignal>();
let gate = Promise.withResolvers<void>();

function startApp(
  config: NonNullable<Parameters<typeof startEdge>[0]['config']> = {},
  requestsInFlight?: number,
): Promise<TestEdge> {
  return startEdge({
    routes,
    config,
    requestsInFlight,
    handlers: {
      hello: async ({ clientAddress }) => ({ status: 200, body: { clientAddress } }),
      slow: async ({ signal }) => {
        started.resolve(signal);
        await gate.promise;
        return { status: 200, body: { slow: true } };
      },
      splitting: async () => ({ status: 200, headers: { location: '/\r\nset-cookie: a=b' }, body: {} }),
      take: async ({ body }) => ({ status: 200, body: body.text.length }),
    },
  });
}

const local = { host: '127.0.0.1', port: 0 };
let server: Listener;

beforeAll(async () => {
  edge = await startApp();
  server = await listen(edge.app, local);
});

afterAll(() => server.close());

/** Writes raw bytes to the server, and collects what it says until it closes or has said `until`. */
async function speak(to: Listener, text: string, until?: string): Promise<string> {
  const socket = await dial(to);
  socket.write(text);
  return await hear(socket, until);
}

async function dial(to: Listener): Promise<Socket> {
  const socket = connect(Number(new URL(to.url).port), '127.0.0.1');
  await once(socket, 'connect');
  return socket;
}

/** Resolves with what was said until the end, or until `until`; to be cut off is an end as well. */
function hear(socket: Socket, until?: string): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  let heard = '';
  socket.on('error', () => socket.destroy());
  socket.on('close', () => resolve(heard));
  socket.on('data', (chunk) => {
    heard += chunk;
    if (until !== undefined && heard.includes(until)) socket.destroy();
  });
  return promise;
}

function take(from: Listener): Promise<Response> {
  const headers = { 'content-type': 'application/json' };
  return fetch(`${from.url}/api/v1/take`, { method: 'POST', headers, body: '{"text":""}' });
}

const HOST = 'Host: localhost\r\n';

describe('listen', () => {
  it('serves on a free port', async () => {
    const response = await fetch(`${server.url}/api/v1/hello`);
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ clientAddress: '127.0.0.1' });
  });

  it('rejects when the port is taken', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    await expect(listen(edge.app, { host: '127.0.0.1', port })).rejects.toMatchObject({ code: 'EADDRINUSE' });
    other.close();
  });

  it('answers headers past 16 KiB with 431', async () => {
    const headers = `X-Large: ${'x'.repeat(17 * 1024)}\r\n`;
    const said = await speak(server, `GET /api/v1/hello HTTP/1.1\r\n${HOST}${headers}\r\n`);
    expect(said).toMatch(/^HTTP\/1\.1 431 /);
  });

  it('answers a chunked body of 1 MiB and a byte with 413', async () => {
    const mebibyte = 1024 * 1024;
    const body = (bytes: number) => new Blob([`{"text":"${'x'.repeat(bytes - 11)}"}`]).stream();
    const send = (bytes: number) =>
      fetch(`${server.url}/api/v1/take`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: body(bytes),
        duplex: 'half',
      } as RequestInit);
    expect((await send(mebibyte)).status).toBe(200);
    const refused = await send(mebibyte + 1);
    expect(refused.status).toBe(413);
    expect(await refused.json()).toMatchObject({ code: 'payload_too_large' });
  });

  it('goes on serving the connection of a chunked body that it refused', async () => {
    const socket = await dial(server);
    const heard = hear(socket, 'clientAddress');
    const chunk = `${(64 * 1024).toString(16)}\r\n${'x'.repeat(64 * 1024)}\r\n`;
    const head = `POST /api/v1/take HTTP/1.1\r\n${HOST}Content-Type: application/json\r\n`;
    socket.write(`${head}Transfer-Encoding: chunked\r\n\r\n${chunk.repeat(30)}0\r\n\r\n`);
    socket.write(`GET /api/v1/hello HTTP/1.1\r\n${HOST}\r\n`);
    expect(await heard).toMatch(/^HTTP\/1\.1 413 [\s\S]*HTTP\/1\.1 200 /);
  });

  it('refuses an announced body of that size before it is sent', async () => {
    const head = `POST /api/v1/take HTTP/1.1\r\n${HOST}Content-Type: application/json\r\n`;
    const said = await speak(server, `${head}Content-Length: 1048577\r\n\r\n`, 'payload_too_large');
    expect(said).toMatch(/^HTTP\/1\.1 413 /);
  });

  it('survives what is no HTTP, and bodies that break off', async () => {
    expect(await speak(server, 'hello?\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /);
    const socket = await dial(server);
    const head = `POST /api/v1/take HTTP/1.1\r\n${HOST}Content-Type: application/json\r\n`;
    socket.write(`${head}Content-Length: 100\r\n\r\n{"text"`);
    socket.destroy();
    expect((await fetch(`${server.url}/api/v1/hello`)).status).toBe(200);
    expect(edge.logged.filter((line) => line.level === 'error')).toEqual([]);
  });

  it('takes a header that is none for a bug, and sends nothing of it', async () => {
    const answer = await speak(
      server,
      'GET /api/v1/splitting HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
    );
    expect(answer).toMatch(/^HTTP\/1\.1 500 [\s\S]*"code":"internal"/);
    expect(answer).not.toContain('set-cookie');
  });

  it('counts a client by its own address whatever it forwards, unless it is a trusted proxy', async () => {
    const forged = { headers: { 'x-forwarded-for': '203.0.113.1' } };
    const asked = await fetch(`${server.url}/api/v1/hello`, forged);
    expect(await asked.json()).toEqual({ clientAddress: '127.0.0.1' });
    const behind = await listen((await startApp({ trustedProxies: ['127.0.0.0/8'] })).app, local);
    const proxied = await fetch(`${behind.url}/api/v1/hello`, forged);
    expect(await proxied.json()).toEqual({ clientAddress: '203.0.113.1' });
    await behind.close();
  });
});

describe('slow clients', () => {
  it('are cut off while others are served', async () => {
    const limits = { headersTimeoutMs: 500, requestTimeoutMs: 1_000, connectionCheckMs: 50 };
    const crowded = await startApp({}, 1);
    const strict = await listen(crowded.app, { ...local, limits });
    const sockets = await Promise.all(Array.from({ length: 200 }, () => dial(strict)));
    const heard = sockets.map((socket, index) => {
      // Half of them dribble headers, half a body that never ends.
      const path = index % 2 === 0 ? '/api/v1/hello' : '/api/v1/take';
      const heard = hear(socket);
      socket.write(`POST ${path} HTTP/1.1\r\n${HOST}Content-Type: application/json\r\n`);
      if (index % 2 === 1) socket.write('Content-Length: 100\r\n\r\n{"text"');
      return heard;
    });
    expect((await fetch(`${strict.url}/api/v1/hello`)).status).toBe(200);
    expect((await take(strict)).status).toBe(200);
    for (const said of await Promise.all(heard)) expect(said).toMatch(/^(HTTP\/1\.1 408 |$)/);
    await strict.close();
  });

  it('past the number of connections are turned away', async () => {
    const small = await listen(edge.app, { ...local, limits: { connections: 2 } });
    const kept = [await dial(small), await dial(small)];
    const dropped = connect(Number(new URL(small.url).port), '127.0.0.1');
    expect(await hear(dropped)).toBe('');
    for (const socket of kept) socket.destroy();
    await small.close();
  });
});

describe('close', () => {
  it('lets a request in flight finish and takes no other', async () => {
    started = Promise.withResolvers();
    gate = Promise.withResolvers();
    const closing = await listen(edge.app, local);
    await fetch(`${closing.url}/api/v1/hello`);
    const inFlight = fetch(`${closing.url}/api/v1/slow`);
    await started.promise;
    const closed = closing.close();
    await expect(fetch(`${closing.url}/api/v1/hello`)).rejects.toThrow();
    gate.resolve();
    expect(await (await inFlight).json()).toEqual({ slow: true });
    await closed;
  });

  it('cuts off what does not finish in time, and tells the handler', async () => {
    started = Promise.withResolvers();
    gate = Promise.withResolvers();
    const closing = await listen(edge.app, { ...local, limits: { closeTimeoutMs: 50 } });
    const inFlight = fetch(`${closing.url}/api/v1/slow`).then(
      () => 'answered',
      () => 'cut off',
    );
    const signal = await started.promise;
    await closing.close();
    expect(await inFlight).toBe('cut off');
    await vi.waitFor(() => expect(signal.aborted).toBe(true));
    gate.resolve();
  });
});
