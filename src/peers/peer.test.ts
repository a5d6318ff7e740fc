import type { IncomingMessage, ServerResponse } from 'node:http';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { afterEach, expect, it } from 'vitest';
import { AppError } from '../errors.ts';
import { type PeerStandIn, startPeerStandIn, unusedPort } from '../testing/peer-stand-in.ts';
import type { PeerLimits } from './limits.ts';
import type { PeerAnswer, PeerRequest } from './peer.ts';
import { createPeers, type Peers } from './peers.ts';

const open: { close(): Promise<void> }[] = [];
const registry = new Registry();

afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
  registry.clear();
});

async function standIn(port?: number): Promise<PeerStandIn> {
  const started = await startPeerStandIn(port);
  open.push(started);
  return started;
}

/** Soon out of patience; a stall is looked for only where a test says so. */
function peersOf(addresses: readonly string[], limits: Partial<PeerLimits> = {}): Peers {
  const peers = createPeers({
    addresses: { product: addresses },
    log: pino({ level: 'silent' }),
    registry,
    limits: { probeEveryMs: 20, retryMs: 1, retryMaxMs: 2, closeMs: 500, ...limits },
  });
  open.unshift(peers);
  return peers;
}

const peerOf = (addresses: readonly string[], limits?: Partial<PeerLimits>) =>
  peersOf(addresses, limits).of('product');

function request(given: Partial<PeerRequest> = {}): PeerRequest {
  return {
    method: 'POST',
    path: '/internal/product/quote?q=1',
    headers: { 'content-type': 'application/json' },
    body: '{}',
    deadlineAt: performance.now() + 20_000,
    repeatable: false,
    ...given,
  };
}

async function readAll({ status, body }: PeerAnswer): Promise<{ status: number; text: string }> {
  const chunks: Buffer[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return { status, text: Buffer.concat(chunks).toString('utf8') };
}

const asItIs = async (answer: PeerAnswer) => answer;

/** Answers in turn as told, the last one from then on. */
function inTurn(...answers: ((request: IncomingMessage, response: ServerResponse) => void)[]) {
  let turn = 0;
  return (incoming: IncomingMessage, response: ServerResponse) => {
    answers[Math.min(turn, answers.length - 1)]!(incoming, response);
    turn += 1;
  };
}

const losesAnswer = (_request: IncomingMessage, response: ServerResponse) => void response.destroy();
const breaksOff = (_request: IncomingMessage, response: ServerResponse) => {
  response.writeHead(200, { 'content-length': '100' });
  response.write('half an ans', () => response.destroy());
};
const says = (status: number, text: string) => (_request: IncomingMessage, response: ServerResponse) =>
  void response.writeHead(status).end(text);

const unavailable = (code: string) => expect.objectContaining({ kind: 'unavailable', code });

async function metric(name: string): Promise<number | undefined> {
  const { values } = await registry.getSingleMetric(name)!.get();
  return values[0]?.value;
}

it('gives an answer of any status, and asks once', async () => {
  const process = await standIn();
  process.answer = says(500, 'a bug');
  const sent = peerOf([process.url]).send(request({ repeatable: true }), readAll);
  await expect(sent).resolves.toEqual({ status: 500, text: 'a bug' });
  expect(process.received).toEqual(['{}']);
});

it('sends method, path, query, headers and body as they are', async () => {
  const process = await standIn();
  process.answer = ({ method, url, headers }, response) =>
    void response.end(JSON.stringify([method, url, headers['x-one'], headers['content-length']]));
  const sent = request({ method: 'PUT', path: '/a%2Fb?c=%20', headers: { 'x-one': '1' }, body: 'four' });
  const { text } = await peerOf([process.url]).send(sent, readAll);
  expect(JSON.parse(text)).toEqual(['PUT', '/a%2Fb?c=%20', '1', '4']);
});

it('sends again what was not sent, though it is not repeatable', async () => {
  const process = await standIn();
  const peer = peerOf([`http://127.0.0.1:${await unusedPort()}`, process.url]);
  for (let number = 1; number <= 6; number += 1) {
    await expect(peer.send(request(), readAll)).resolves.toMatchObject({ status: 200 });
  }
  expect(process.received).toHaveLength(6);
  expect(await metric('banyan_peer_retries_total')).toBe(1);
  expect(await metric('banyan_peer_ejections_total')).toBe(1);
});

it('sends a stream again when there was no connection to send it on', async () => {
  const process = await standIn();
  const peer = peerOf([`http://127.0.0.1:${await unusedPort()}`, process.url]);
  for (const text of ['one', 'two']) {
    await peer.send(request({ body: new Blob([text]).stream() }), readAll);
  }
  expect(process.received).toEqual(['one', 'two']);
});

it.each([
  ['is lost', losesAnswer],
  ['breaks off', breaksOff],
])('sends a repeatable request again when the answer %s', async (_name, fails) => {
  const process = await standIn();
  process.answer = inTurn(fails, says(200, 'whole'));
  const sent = peerOf([process.url]).send(request({ repeatable: true }), readAll);
  await expect(sent).resolves.toEqual({ status: 200, text: 'whole' });
  expect(process.received).toHaveLength(2);
});

it.each([
  ['is lost', losesAnswer],
  ['breaks off', breaksOff],
])('says that the outcome of another request is unknown when its answer %s', async (_name, fails) => {
  const process = await standIn();
  process.answer = inTurn(fails, says(200, 'whole'));
  const sent = peerOf([process.url]).send(request(), readAll);
  await expect(sent).rejects.toEqual(unavailable('peer_unavailable'));
  expect(process.received).toHaveLength(1);
});

it('does not send a stream again that was begun to be read', async () => {
  const process = await standIn();
  process.answer = losesAnswer;
  const body = new Blob(['once']).stream();
  const sent = peerOf([process.url]).send(request({ body, repeatable: true }), readAll);
  await expect(sent).rejects.toEqual(unavailable('peer_unavailable'));
  expect(process.received).toEqual(['once']);
  expect(await metric('banyan_peer_retries_total')).toBe(0);
});

it('takes what its body’s own sender did wrong for no fault of the peer', async () => {
  const one = await standIn();
  const peers = peersOf([one.url], { failures: 1 });
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(Buffer.from('begun')),
    pull: (controller) => controller.error(new AppError('too_large', 'payload_too_large', 'too much')),
  });
  await expect(peers.of('product').send(request({ body }), asItIs)).rejects.toMatchObject({
    code: 'payload_too_large',
  });
  expect(peers.states.get('product')).toBe('up');
  expect(await registry.getSingleMetricAsString('banyan_peer_ejections_total')).not.toContain('} 1');
});

it('gives up after some tries, and keeps the cause but no address in the message', async () => {
  const process = await standIn();
  process.answer = losesAnswer;
  const failure = await peerOf([process.url], { tries: 3 })
    .send(request({ repeatable: true }), readAll)
    .catch((error: Error) => error);
  expect(failure).toEqual(unavailable('peer_unavailable'));
  expect((failure as Error).message).not.toMatch(/127|http|:\d/);
  expect((failure as Error).cause).toBeInstanceOf(Error);
  expect(process.received).toHaveLength(3);
});

it('asks another process when one does not host the module, though the request is not repeatable', async () => {
  const [moved, process] = [await standIn(), await standIn()];
  moved.answer = (_request, response) =>
    void response.writeHead(503, { 'banyan-peer': 'not-hosted' }).end('{}');
  const peer = peerOf([moved.url, process.url]);
  for (let number = 1; number <= 4; number += 1) {
    const { text } = await peer.send(request(), readAll);
    expect(text).toBe(String(process.port));
  }
  expect(moved.received).toHaveLength(1);
});

it('passes on what the reader throws, and asks no more', async () => {
  const process = await standIn();
  const sent = peerOf([process.url]).send(request({ repeatable: true }), async () => {
    throw new RangeError('too long for me');
  });
  await expect(sent).rejects.toThrow(new RangeError('too long for me'));
  expect(process.received).toHaveLength(1);
});

it('ends at the deadline, and ends the request at the peer', async () => {
  const process = await standIn();
  const gone = Promise.withResolvers<void>();
  process.answer = (_request, response) => void response.once('close', gone.resolve);
  const sent = peerOf([process.url]).send(
    request({ deadlineAt: performance.now() + 50, repeatable: true }),
    readAll,
  );
  await expect(sent).rejects.toEqual(unavailable('timeout'));
  await gone.promise;
  expect(process.received).toHaveLength(1);
});

it('sends nothing once the deadline has passed', async () => {
  const process = await standIn();
  const sent = peerOf([process.url]).send(request({ deadlineAt: performance.now() }), readAll);
  await expect(sent).rejects.toEqual(unavailable('timeout'));
  expect(process.received).toEqual([]);
});

it('ends at the deadline also for who waits for a connection, or for room', async () => {
  const process = await standIn();
  process.answer = () => undefined;
  const peer = peerOf([process.url], { connections: 1, inFlight: 2, queue: 1 });
  const longer = new AbortController();
  const [first, second] = [1, 2].map(() => peer.send(request({ signal: longer.signal }), readAll));
  const third = peer.send(request({ deadlineAt: performance.now() + 50 }), readAll);
  await expect(peer.send(request(), readAll)).rejects.toEqual(unavailable('overloaded'));
  await expect(third).rejects.toEqual(unavailable('timeout'));
  longer.abort();
  for (const sent of [first, second]) await expect(sent).rejects.toEqual(unavailable('peer_unavailable'));
});

it('ends the request at the peer when its caller goes, and does not send it again', async () => {
  const process = await standIn();
  const caller = new AbortController();
  const gone = Promise.withResolvers<void>();
  process.answer = (_request, response) => {
    response.once('close', gone.resolve);
    caller.abort();
  };
  const sent = peerOf([process.url]).send(request({ signal: caller.signal, repeatable: true }), readAll);
  await expect(sent).rejects.toEqual(unavailable('peer_unavailable'));
  await gone.promise;
  expect(process.received).toHaveLength(1);
});

it('hands on an answer that is still on its way, past the deadline', async () => {
  const process = await standIn();
  const proceed = Promise.withResolvers<void>();
  process.answer = async (_request, response) => {
    response.write('first, ');
    await proceed.promise;
    response.end('then');
  };
  const deadlineAt = performance.now() + 300;
  const answer = await peerOf([process.url]).send(request({ deadlineAt }), asItIs);
  while (performance.now() <= deadlineAt) await new Promise((resolve) => setTimeout(resolve, 10));
  proceed.resolve();
  await expect(readAll(answer)).resolves.toEqual({ status: 200, text: 'first, then' });
});

it('ends an answer that was handed on when the caller goes', async () => {
  const process = await standIn();
  const gone = Promise.withResolvers<void>();
  process.answer = (_request, response) => {
    response.once('close', gone.resolve);
    response.write('first');
  };
  const caller = new AbortController();
  const answer = await peerOf([process.url]).send(request({ signal: caller.signal }), asItIs);
  caller.abort();
  await gone.promise;
  await expect(readAll(answer)).rejects.toThrow();
});

it('breaks off an answer that was begun and goes on with nothing', async () => {
  const process = await standIn();
  process.answer = (_request, response) => void response.write('first');
  const answer = await peerOf([process.url], { bodyIdleMs: 50 }).send(request(), asItIs);
  await expect(readAll(answer)).rejects.toThrow();
});

it('keeps requests from a module that is down, and lets them through once it is back', async () => {
  const port = await unusedPort();
  const peer = peerOf([`http://127.0.0.1:${port}`], { failures: 3, tries: 3 });
  await expect(peer.send(request(), readAll)).rejects.toEqual(unavailable('peer_unavailable'));
  expect(peer.state).toBe('down');
  expect(await metric('banyan_peer_down')).toBe(1);
  const failure = await peer.send(request(), readAll).catch((error: unknown) => error);
  expect(failure).toMatchObject({ code: 'peer_unavailable', retryAfterSeconds: 1 });
  const process = await standIn(port);
  while (peer.state === 'down') await new Promise((resolve) => setTimeout(resolve, 5));
  await expect(peer.send(request(), readAll)).resolves.toMatchObject({ status: 200 });
  expect(process.received).toHaveLength(1);
  expect(await metric('banyan_peer_down')).toBe(0);
});

it.each([
  ['down when it does not answer in good time', 1, 'down'],
  ['up when it does not answer who had little time left', 10_000, 'up'],
])('takes a module for %s', async (_name, stallMs, state) => {
  const process = await standIn();
  process.answer = () => undefined;
  const peer = peerOf([process.url], { failures: 2, stallMs, probeEveryMs: 10_000 });
  for (let number = 1; number <= 2; number += 1) {
    const sent = peer.send(request({ deadlineAt: performance.now() + 30 }), readAll);
    await expect(sent).rejects.toEqual(unavailable('timeout'));
  }
  expect(peer.state).toBe(state);
});

it('counts what is under way', async () => {
  const process = await standIn();
  const peer = peerOf([process.url]);
  process.answer = async (_request, response) =>
    void response.end(String(await metric('banyan_peer_requests_in_flight')));
  await expect(peer.send(request(), readAll)).resolves.toMatchObject({ text: '1' });
  expect(await metric('banyan_peer_requests_in_flight')).toBe(0);
});

it('knows no module without an address', () => {
  expect(() => peersOf(['http://127.0.0.1:1']).of('order')).toThrow('PEERS says where module order is');
});

it('lets requests in flight end when it closes, and takes no more', async () => {
  const process = await standIn();
  const peers = peersOf([process.url], { stallMs: 20, closeMs: 20_000 });
  const [reached, proceed] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  process.answer = async (_request, response) => {
    reached.resolve();
    await proceed.promise;
    response.end('late');
  };
  const sent = peers.of('product').send(request(), readAll);
  await reached.promise;
  const closed = peers.close();
  await expect(peers.of('product').send(request(), readAll)).rejects.toEqual(unavailable('peer_unavailable'));
  // It is still asked whether it lives.
  while (process.probes < 2) await new Promise((resolve) => setTimeout(resolve, 5));
  proceed.resolve();
  await expect(sent).resolves.toMatchObject({ text: 'late' });
  await closed;
});

it('dials nobody after it closed', async () => {
  const process = await standIn();
  const peers = peersOf([process.url]);
  await peers.close();
  await expect(peers.of('product').send(request(), readAll)).rejects.toEqual(unavailable('peer_unavailable'));
  expect(process.received).toEqual([]);
});

it('cuts off at the end of its patience what is in flight when it closes', async () => {
  const process = await standIn();
  const peers = peersOf([process.url], { closeMs: 20 });
  const reached = Promise.withResolvers<void>();
  process.answer = () => reached.resolve();
  const sent = peers.of('product').send(request(), readAll);
  await reached.promise;
  await Promise.all([peers.close(), expect(sent).rejects.toEqual(unavailable('peer_unavailable'))]);
});
