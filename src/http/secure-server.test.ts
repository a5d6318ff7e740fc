import { type EventEmitter, once } from 'node:events';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from 'node:http2';
import { request as askHttps } from 'node:https';
import { connect as connectTcp, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer, text } from 'node:stream/consumers';
import { connect as connectTls } from 'node:tls';
import { gunzipSync } from 'node:zlib';
import { Registry } from 'prom-client';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { HTTP2_RESET_BURST, HTTP2_STREAMS } from '../limits.ts';
import { makeCertificate, type TestCertificate } from '../testing/certificate.ts';
import { startEdge, type TestEdge } from '../testing/edge.ts';
import { createCertificateSource } from './certificate-watch.ts';
import { defineRoutes } from './route.ts';
import { type Listener, listen, type ServerLimits } from './server.ts';

const answers = { 200: { description: 'what came', schema: z.unknown() } };
const common = { method: 'get', access: 'anyone', summary: 's', answers } as const;
const routes = defineRoutes({
  hello: { ...common, path: '/hello' },
  large: { ...common, path: '/large' },
  mine: { ...common, path: '/mine', access: 'customer' },
  slow: { ...common, path: '/slow' },
  take: { ...common, path: '/take', method: 'post', body: z.strictObject({ text: z.string() }) },
});

const LARGE = 'large enough to be compressed, '.repeat(10_000);

let folder: string;
let pair: TestCertificate;
let edge: TestEdge;
let started: PromiseWithResolvers<AbortSignal>;
let gate: PromiseWithResolvers<void>;
let ends: (() => unknown)[];

function startApp(config: NonNullable<Parameters<typeof startEdge>[0]['config']> = {}): Promise<TestEdge> {
  return startEdge({
    routes,
    config,
    handlers: {
      hello: async ({ clientAddress }) => ({ status: 200, body: { clientAddress } }),
      large: async () => ({ status: 200, body: { text: LARGE } }),
      mine: async () => ({ status: 200, body: {} }),
      slow: async ({ signal }) => {
        started.resolve(signal);
        await gate.promise;
        return { status: 200, body: { slow: true } };
      },
      take: async ({ body }) => ({ status: 200, body: body.text.length }),
    },
  });
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'banyan-secure-'));
  pair = makeCertificate(folder);
  edge = await startApp();
});

afterAll(() => rmSync(folder, { recursive: true }));

beforeEach(() => {
  started = Promise.withResolvers();
  gate = Promise.withResolvers();
  ends = [];
});

afterEach(async () => {
  gate.resolve();
  for (const end of ends.reverse()) await end();
});

async function serve(
  given: { app?: TestEdge['app']; limits?: Partial<ServerLimits>; files?: TestCertificate } = {},
): Promise<Listener> {
  const { app = edge.app, limits, files = pair } = given;
  const log = { info() {}, warn() {}, error() {} } as unknown as Parameters<
    typeof createCertificateSource
  >[0]['log'];
  const certificate = createCertificateSource({ files, log, registry: new Registry(), everyMs: 10 });
  const server = await listen(app, {
    host: '127.0.0.1',
    port: 0,
    limits,
    certificate,
  });
  ends.push(() => server.close());
  return server;
}

function openSession(to: Listener, ca = pair.pem): ClientHttp2Session {
  const session = connect(to.url, { ca });
  session.on('error', () => undefined);
  ends.push(() => session.destroy());
  return session;
}

interface Heard {
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** Rejects when the stream ends without an answer, which Node does not always call an error. */
async function hear(stream: ClientHttp2Stream): Promise<Heard> {
  const headers = await new Promise<IncomingHttpHeaders>((resolve, reject) => {
    stream.once('response', resolve).once('error', reject);
    stream.once('close', () => reject(new Error('no answer came')));
  });
  return { status: Number(headers[':status']), headers, body: await buffer(stream) };
}

function ask(session: ClientHttp2Session, path: string, headers: OutgoingHttpHeaders = {}): Promise<Heard> {
  return hear(session.request({ ':path': path, ...headers }));
}

async function askByHttp1(to: Listener, path: string, headers: Record<string, string> = {}): Promise<Heard> {
  const request = askHttps(`${to.url}${path}`, { ca: pair.pem, headers, agent: false });
  request.end();
  const [response] = await once(request, 'response');
  return { status: response.statusCode, headers: response.headers, body: await buffer(response) };
}

/** The code of the frame that ended the stream, or of the error. */
async function endOf(stream: ClientHttp2Stream): Promise<number | undefined> {
  stream.on('error', () => undefined);
  await closeOf(stream);
  return stream.rstCode;
}

/** Unlike `once`, whether or not an error comes first. */
function closeOf(closing: EventEmitter): Promise<void> {
  return new Promise((resolve) => closing.once('close', () => resolve()));
}

function dial(to: Listener): Promise<Socket> {
  const socket = connectTcp(Number(new URL(to.url).port), '127.0.0.1');
  socket.on('error', () => undefined);
  ends.push(() => socket.destroy());
  return once(socket, 'connect').then(() => socket);
}

const [HEADERS, GOAWAY] = [1, 7];
const [END_STREAM, END_HEADERS] = [1, 4];
/** How a client begins, and settings that are all left as they are. */
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0', 'latin1');

/** The first request of a connection, without a body. */
function requestFrame(path: string): Buffer {
  // By HPACK: GET, https, the path, and the authority, each from the static table or as plain text.
  const literal = (index: number, value: string) =>
    Buffer.concat([Buffer.from([index, value.length]), Buffer.from(value)]);
  const block = Buffer.concat([Buffer.from([0x82, 0x87]), literal(4, path), literal(1, 'localhost')]);
  const head = Buffer.from([0, 0, block.length, HEADERS, END_STREAM | END_HEADERS, 0, 0, 0, 1]);
  return Buffer.concat([head, block]);
}

/**
 * A client that does nothing by itself. `frame` waits for one of a type, and `last` is what the last one of a type
 * held.
 */
async function dialHttp2(to: Listener) {
  const socket = connectTls({ port: Number(new URL(to.url).port), ca: pair.pem, ALPNProtocols: ['h2'] });
  socket.on('error', () => undefined);
  ends.push(() => socket.destroy());
  await once(socket, 'secureConnect');
  socket.write(PREFACE);
  let came = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    came = Buffer.concat([came, chunk]);
  });
  const last = (type: number) => {
    let found: Buffer | undefined;
    for (let at = 0; at + 9 <= came.length; at += 9 + came.readUIntBE(at, 3)) {
      if (came[at + 3] === type) found = came.subarray(at + 9, at + 9 + came.readUIntBE(at, 3));
    }
    return found;
  };
  return {
    write: (bytes: Buffer) => void socket.write(bytes),
    frame: (type: number) => vi.waitFor(() => expect(last(type)).toBeDefined()),
    last,
    closed: closeOf(socket),
  };
}

describe('the secure port', () => {
  it('says where it is by https', async () => {
    expect((await serve()).url).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/);
  });

  it('answers alike over HTTP/2 and HTTP/1.1, but for what belongs to the connection', async () => {
    const server = await serve();
    const session = openSession(server);
    for (const path of ['/api/v1/hello', '/api/v1/nothing', '/api/v1/take', '/health', '/docs']) {
      const newer = await ask(session, path);
      const older = await askByHttp1(server, path);
      const own = ['connection', 'keep-alive', 'date', 'x-request-id', ':status'];
      const rest = (headers: IncomingHttpHeaders) =>
        Object.fromEntries(Object.entries(headers).filter(([name]) => !own.includes(name)));
      expect(newer.status).toBe(older.status);
      expect(rest(newer.headers)).toEqual(rest(older.headers));
      const withoutIds = ({ body }: Heard) => String(body).replace(/"traceId":"\w+"/, '');
      expect(withoutIds(newer)).toBe(withoutIds(older));
      for (const name of ['connection', 'keep-alive', 'transfer-encoding']) {
        expect(newer.headers).not.toHaveProperty(name);
      }
    }
  });

  it('tells browsers to come back by TLS, and takes none older than 1.2', async () => {
    const server = await serve();
    expect((await ask(openSession(server), '/health')).headers['strict-transport-security']).toMatch(
      /^max-age=\d+/,
    );
    const { port } = new URL(server.url);
    const old = connectTls({
      port: Number(port),
      ca: pair.pem,
      maxVersion: 'TLSv1.1',
      minVersion: 'TLSv1.1',
    });
    const [error] = await once(old, 'error');
    expect(error.code).toMatch(/PROTOCOL/);
  });

  it('streams and compresses, many answers at once', async () => {
    const session = openSession(await serve());
    const asked = Array.from({ length: 20 }, () =>
      ask(session, '/api/v1/large', { 'accept-encoding': 'gzip' }),
    );
    for (const { status, headers, body } of await Promise.all(asked)) {
      expect(status).toBe(200);
      expect(headers['content-encoding']).toBe('gzip');
      expect(JSON.parse(String(gunzipSync(body)))).toEqual({ text: LARGE });
    }
  });

  it('takes bodies, and refuses what is too long', async () => {
    const session = openSession(await serve());
    const send = async (length: number) => {
      const stream = session.request({
        ':method': 'POST',
        ':path': '/api/v1/take',
        'content-type': 'application/json',
      });
      stream.on('error', () => undefined);
      stream.end(JSON.stringify({ text: 'x'.repeat(length) }));
      const [headers] = await once(stream, 'response');
      return headers[':status'];
    };
    expect(await send(100_000)).toBe(200);
    expect(await send(2 * 1024 * 1024)).toBe(413);
    expect(await send(10)).toBe(200);
  });

  it('counts a client by its address, also one that takes its requests back', async () => {
    const server = await serve({ app: (await startApp({ rateLimit: 3 })).app });
    const session = openSession(server);
    await ask(session, '/health');
    for (let turn = 0; turn < 3; turn += 1) {
      const stream = session.request({ ':path': '/api/v1/mine', authorization: 'Bearer forged' });
      stream.on('error', () => undefined);
      await new Promise((sent) => session.ping(sent));
      stream.close(constants.NGHTTP2_CANCEL);
    }
    await vi.waitFor(async () => expect((await ask(session, '/api/v1/hello')).status).toBe(429));
    expect((await askByHttp1(server, '/api/v1/hello')).status).toBe(429);
  });

  it('takes so many requests at once on a connection, and headers up to a length', async () => {
    const session = openSession(await serve());
    await once(session, 'remoteSettings');
    expect(session.remoteSettings.maxConcurrentStreams).toBe(HTTP2_STREAMS);
    const long = session.request({ ':path': '/api/v1/hello', 'x-long': 'x'.repeat(17 * 1024) });
    expect(await endOf(long)).not.toBe(constants.NGHTTP2_NO_ERROR);
    expect((await ask(session, '/api/v1/hello')).status).toBe(200);
  });

  it('serves new connections with a new certificate, and leaves old connections alone', async () => {
    const files = makeCertificate(folder, 'first');
    const next = makeCertificate(folder, 'second');
    const server = await serve({ files });
    const old = openSession(server, files.pem);
    expect((await ask(old, '/api/v1/hello')).status).toBe(200);
    copyFileSync(next.certFile, files.certFile);
    copyFileSync(next.keyFile, files.keyFile);
    await vi.waitFor(async () => {
      const fresh = openSession(server, next.pem);
      expect((await ask(fresh, '/api/v1/hello')).status).toBe(200);
    });
    expect((await ask(old, '/api/v1/hello')).status).toBe(200);
  });
});

describe('slow and odd clients of the secure port', () => {
  const limits = { headersTimeoutMs: 200, requestTimeoutMs: 400, connectionCheckMs: 20, keepAliveMs: 600 };

  it('are cut off while others are served', async () => {
    const server = await serve({ limits });
    const speechless = await dial(server);
    const idle = openSession(server);
    const dribbling = connectTls({ port: Number(new URL(server.url).port), ca: pair.pem });
    dribbling.on('error', () => undefined);
    await once(dribbling, 'secureConnect');
    dribbling.write('GET /api/v1/hello HTTP/1.1\r\nHost: localhost\r\n');
    const heard = text(dribbling).catch(() => '');
    // Speaks HTTP/2, and begins headers that it never ends.
    const half = await dialHttp2(server);
    half.write(requestFrame('/api/v1/hello').subarray(0, 12));
    const busy = openSession(server);
    expect((await ask(busy, '/api/v1/hello')).status).toBe(200);
    await Promise.all([closeOf(speechless), closeOf(idle), half.closed]);
    expect(await heard).toMatch(/^(HTTP\/1\.1 408 |$)/);
    expect((await ask(openSession(server), '/api/v1/hello')).status).toBe(200);
  });

  it('lose a request whose body never ends, and not the others of its connection', async () => {
    const server = await serve({ limits: { ...limits, keepAliveMs: 60_000 } });
    const session = openSession(server);
    const post = { ':method': 'POST', ':path': '/api/v1/take', 'content-type': 'application/json' };
    const endless = session.request(post);
    endless.write('{"text"');
    const ended = endOf(endless);
    expect((await ask(session, '/api/v1/hello')).status).toBe(200);
    expect(await ended).toBe(constants.NGHTTP2_CANCEL);
    expect((await ask(session, '/api/v1/hello')).status).toBe(200);
  });

  it('lose an answer that they do not take', async () => {
    const session = openSession(await serve({ limits }));
    const untaken = session.request({ ':path': '/api/v1/large' });
    await once(untaken, 'response');
    untaken.pause();
    expect(await endOf(untaken)).toBe(constants.NGHTTP2_CANCEL);
  });

  it('lose their connection when they have asked nothing for long, after a goodbye', async () => {
    const session = openSession(await serve({ limits }));
    expect((await ask(session, '/api/v1/hello')).status).toBe(200);
    const [code] = await once(session, 'goaway');
    expect(code).toBe(constants.NGHTTP2_NO_ERROR);
    await closeOf(session);
  });

  it('lose it too when they take back request after request', async () => {
    const server = await serve();
    const session = openSession(server);
    const closed = closeOf(session);
    for (let turn = 0; turn < 3 * HTTP2_RESET_BURST && !session.closed; turn += 1) {
      const stream = session.request({ ':path': '/api/v1/slow' });
      stream.on('error', () => undefined);
      stream.close(constants.NGHTTP2_CANCEL);
      if (turn % 50 === 0) await new Promise((resume) => setImmediate(resume));
    }
    await closed;
    expect((await ask(openSession(server), '/api/v1/hello')).status).toBe(200);
  });
});

describe('the end of the secure port', () => {
  it('lets requests under way finish, and takes no other', async () => {
    const server = await serve();
    const session = openSession(server);
    const slow = ask(session, '/api/v1/slow');
    await started.promise;
    const goodbye = once(session, 'goaway');
    const closed = server.close();
    await goodbye;
    await expect(dial(server)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    gate.resolve();
    expect(JSON.parse(String((await slow).body))).toEqual({ slow: true });
    await closed;
  });

  it('tells a client whose request it has not begun which was the last', async () => {
    const server = await serve();
    const client = await dialHttp2(server);
    client.write(requestFrame('/api/v1/slow'));
    await started.promise;
    const closed = server.close();
    await client.frame(GOAWAY);
    expect(client.last(GOAWAY)?.readUInt32BE()).toBe(1);
    gate.resolve();
    await client.frame(HEADERS);
    await closed;
  });

  it('cuts off what does not finish in time, and tells the handler', async () => {
    const server = await serve({ limits: { closeTimeoutMs: 50 } });
    const session = openSession(server);
    await dial(server);
    const slow = ask(session, '/api/v1/slow').then(
      () => 'answered',
      () => 'cut off',
    );
    const signal = await started.promise;
    await server.close();
    expect(await slow).toBe('cut off');
    await vi.waitFor(() => expect(signal.aborted).toBe(true));
  });

  it('is told to clients of HTTP/1.1 while it drains, and all are served on', async () => {
    const server = await serve();
    const session = openSession(server);
    expect((await ask(session, '/api/v1/hello')).status).toBe(200);
    server.drain();
    expect((await askByHttp1(server, '/api/v1/hello')).headers.connection).toBe('close');
    expect((await ask(session, '/api/v1/hello')).status).toBe(200);
    expect((await ask(openSession(server), '/api/v1/hello')).status).toBe(200);
  });
});
