import { once } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { Hono } from 'hono';
import { afterEach, expect, it } from 'vitest';
import { type Listener, listen } from './server.ts';

let server: Listener;
let silent: Socket | undefined;

const app = new Hono()
  .get('/version', (c) =>
    c.text(String((c.env as { incoming: { httpVersion: string } }).incoming.httpVersion)),
  )
  .post('/echo', async (c) => c.text(await c.req.text()));

async function start(limits: Parameters<typeof listen>[1]['limits'] = {}): Promise<number> {
  const grpc = { handles: () => false, handle: () => undefined };
  server = await listen(app, { host: '127.0.0.1', port: 0, limits, grpc });
  return Number(new URL(server.url).port);
}

afterEach(async () => {
  silent?.destroy();
  await server.close();
});

async function ask(port: number, path: string, body?: string): Promise<string> {
  const session = connectHttp2(`http://127.0.0.1:${port}`);
  const stream = session.request({ ':path': path, ':method': body === undefined ? 'GET' : 'POST' });
  stream.end(body);
  const answer = await text(stream);
  session.close();
  return answer;
}

/** Sends the bytes one by one, and gives what the server says until it closes. */
async function trickle(port: number, bytes: string): Promise<string> {
  const socket = connect(port, '127.0.0.1').setNoDelay(true);
  const closed = once(socket, 'close');
  let heard = '';
  // Who is cut off amid what it says hears of it as an error.
  socket
    .on('error', () => undefined)
    .on('data', (chunk) => {
      heard += String(chunk);
    });
  await once(socket, 'connect');
  for (const byte of bytes) {
    socket.write(byte);
    await new Promise(setImmediate);
  }
  await closed;
  return heard;
}

it('speaks HTTP/2 and HTTP/1.1 on one port, as the client begins', async () => {
  const port = await start();
  expect(await ask(port, '/version')).toBe('2.0');
  expect(await (await fetch(`http://127.0.0.1:${port}/version`)).text()).toBe('1.1');
});

it('takes bodies by either, also those that begin like the other', async () => {
  const port = await start();
  const long = 'PRI * HTTP/2.0'.repeat(10_000);
  expect(await ask(port, '/echo', long)).toBe(long);
  const answer = await fetch(`http://127.0.0.1:${port}/echo`, { method: 'POST', body: long });
  expect(await answer.text()).toBe(long);
});

it('waits for as many bytes as tell them apart', async () => {
  const port = await start();
  // P alone could be the begin of either.
  const request = 'POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi';
  expect(await trickle(port, request)).toMatch(/^HTTP\/1\.1 200 [\s\S]*hi$/);
  expect(await trickle(port, 'PRI is no method\r\n\r\n')).not.toContain('HTTP/1.1 200');
});

it('cuts off who says nothing', async () => {
  const port = await start({ headersTimeoutMs: 100 });
  silent = connect(port, '127.0.0.1');
  await once(silent, 'close');
});

it('does not wait for them when it closes', async () => {
  const port = await start();
  silent = connect(port, '127.0.0.1').on('error', () => undefined);
  await once(silent, 'connect');
  const closed = once(silent, 'close');
  await server.close();
  await closed;
});
