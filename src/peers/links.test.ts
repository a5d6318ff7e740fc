import { pino } from 'pino';
import { Registry } from 'prom-client';
import { afterEach, expect, it } from 'vitest';
import { type PeerStandIn, startPeerStandIn } from '../testing/peer-stand-in.ts';
import type { PeerLimits } from './limits.ts';
import type { Peer, PeerAnswer, PeerRequest } from './peer.ts';
import { createPeers } from './peers.ts';
import type { Resolver } from './resolve.ts';

const open: { close(): Promise<void> }[] = [];

afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
});

async function standIn(): Promise<PeerStandIn> {
  const started = await startPeerStandIn();
  open.push(started);
  return started;
}

function peerOf(addresses: readonly string[], limits: Partial<PeerLimits>, resolver?: Resolver): Peer {
  const peers = createPeers({
    addresses: { product: addresses },
    log: pino({ level: 'silent' }),
    registry: new Registry(),
    resolver,
    limits: { probeEveryMs: 20, retryMs: 1, retryMaxMs: 2, closeMs: 500, ...limits },
  });
  open.unshift(peers);
  return peers.of('product');
}

function request(given: Partial<PeerRequest> = {}): PeerRequest {
  return {
    method: 'POST',
    path: '/x',
    headers: {},
    body: '{}',
    deadlineAt: performance.now() + 20_000,
    repeatable: false,
    ...given,
  };
}

async function read({ body }: PeerAnswer): Promise<string> {
  let text = '';
  for await (const chunk of body) text += String(chunk);
  return text;
}

const unavailable = expect.objectContaining({ kind: 'unavailable', code: 'peer_unavailable' });

/** SRV records of one name, as ports of this machine; undefined while DNS is away. */
function namesOf(ports: { now: readonly number[] | undefined }): Resolver {
  return {
    addresses: async () => [],
    async services() {
      if (ports.now === undefined) throw new Error('no name server');
      return ports.now.map((port) => ({ name: '127.0.0.1', port, priority: 1 }));
    },
  };
}

it('shares requests out among the processes', async () => {
  const [one, other] = [await standIn(), await standIn()];
  const peer = peerOf([one.url, other.url], {});
  for (let number = 1; number <= 6; number += 1) await peer.send(request(), read);
  expect([one.received.length, other.received.length]).toEqual([3, 3]);
});

it('asks the process that has the least to do, and counts answers that are still on their way', async () => {
  const [one, other] = [await standIn(), await standIn()];
  const peer = peerOf([one.url, other.url], {});
  for (const each of [one, other]) {
    each.answer = (_request, response) => void response.write('there is more to come');
  }
  const body = await peer.send(request(), async (answer) => answer.body);
  const [busy, idle] = one.received.length === 1 ? [one, other] : [other, one];
  idle.answer = (_request, response) => void response.end();
  for (let number = 1; number <= 4; number += 1) await peer.send(request(), read);
  expect([busy.received.length, idle.received.length]).toEqual([1, 4]);
  const ended = new Promise((resolve) => body.once('close', resolve));
  body.destroy();
  await ended;
  busy.answer = idle.answer;
  for (let number = 1; number <= 4; number += 1) await peer.send(request(), read);
  expect([busy.received.length, idle.received.length]).toEqual([3, 6]);
});

it('leaves a process out that fails, and the module stays up', async () => {
  const [dying, living] = [await standIn(), await standIn()];
  const peer = peerOf([dying.url, living.url], { failures: 2 });
  const reached: (() => void)[] = [];
  dying.answer = (_request, response) => {
    reached.push(() => response.destroy());
    if (reached.length === 5) for (const cut of reached) cut();
  };
  const answers = Array.from({ length: 10 }, () => peer.send(request({ repeatable: true }), read));
  expect(await Promise.all(answers)).toEqual(Array(10).fill(String(living.port)));
  expect(peer.state).toBe('up');
  for (let number = 1; number <= 4; number += 1) await peer.send(request(), read);
  expect(dying.received).toHaveLength(5);
});

it('takes a process back after a while', async () => {
  const [one, other] = [await standIn(), await standIn()];
  const peer = peerOf([one.url, other.url], { ejectMs: 1 });
  one.answer = (_request, response) => void response.destroy();
  while (one.received.length === 0) await peer.send(request({ repeatable: true }), read);
  one.answer = other.answer;
  while (one.received.length < 3) await peer.send(request({ repeatable: true }), read);
  expect(peer.state).toBe('up');
});

it('has the rest asked for a process that failed, so that no request finds out whether it is back', async () => {
  const [leaving, staying] = [await standIn(), await standIn()];
  const peer = peerOf([leaving.url, staying.url], { ejectMs: 1 });
  const { port } = leaving;
  await leaving.close();
  for (let number = 1; number <= 20; number += 1) await peer.send(request(), read);
  expect(staying.received).toHaveLength(20);
  const back = await startPeerStandIn(port);
  open.push(back);
  while (back.received.length === 0) await peer.send(request(), read);
  // And then the other may go: the one that is back is known.
  await staying.close();
  expect(await peer.send(request({ repeatable: true }), read)).toBe(String(port));
});

it('sends what a stopped process owes to another one', async () => {
  const [stopped, living] = [await standIn(), await standIn()];
  stopped.freeze();
  const peer = peerOf([stopped.url, living.url], { stallMs: 20, probeTimeoutMs: 40 });
  const answers = [1, 2, 3, 4].map(() => peer.send(request({ repeatable: true }), read));
  expect(await Promise.all(answers)).toEqual(Array(4).fill(String(living.port)));
});

it('ends what a stopped process owes when it may not be sent again', async () => {
  const stopped = await standIn();
  stopped.freeze();
  const peer = peerOf([stopped.url], { stallMs: 20, probeTimeoutMs: 40 });
  await expect(peer.send(request(), read)).rejects.toEqual(unavailable);
});

it('ends an answer in the middle when its process is stopped', async () => {
  const stopped = await standIn();
  stopped.answer = (_request, response) => {
    response.write('first');
    stopped.freeze();
  };
  const peer = peerOf([stopped.url], { stallMs: 20, probeTimeoutMs: 40 });
  const body = await peer.send(request(), async (answer) => answer.body);
  await expect(read({ status: 200, headers: {}, body })).rejects.toThrow('does not answer any more');
});

it('leaves a slow process that lives its time', async () => {
  const slow = await standIn();
  slow.answer = async (_request, response) => {
    while (slow.probes < 3) await new Promise((resolve) => setTimeout(resolve, 5));
    response.end('at last');
  };
  const peer = peerOf([slow.url], { stallMs: 20 });
  await expect(peer.send(request(), read)).resolves.toBe('at last');
  expect(slow.received).toHaveLength(1);
});

it('follows the names: to a process that is new, and away from one that has gone', async () => {
  const [one, other] = [await standIn(), await standIn()];
  const ports = { now: [one.port] as readonly number[] | undefined };
  const peer = peerOf(['srv://_banyan._tcp.product'], { resolveMs: 0 }, namesOf(ports));
  const finish = Promise.withResolvers<void>();
  one.answer = async (_request, response) => {
    ports.now = [other.port];
    await finish.promise;
    response.end('the last one');
  };
  const last = peer.send(request(), read);
  // Sent one after another: whoever still reaches the first process waits there, so each gets a caller that leaves.
  while (other.received.length === 0) {
    const sent = peer.send(request({ deadlineAt: performance.now() + 50 }), read);
    await sent.catch(() => undefined);
  }
  finish.resolve();
  await expect(last).resolves.toBe('the last one');
  const before = one.received.length;
  for (let number = 1; number <= 3; number += 1) await peer.send(request(), read);
  expect(one.received).toHaveLength(before);
});

it('goes on with what it knows when names can not be looked up', async () => {
  const process = await standIn();
  const ports: { now: readonly number[] | undefined } = { now: [process.port] };
  const peer = peerOf(['srv://_banyan._tcp.product'], { resolveMs: 0 }, namesOf(ports));
  await peer.send(request(), read);
  ports.now = undefined;
  for (let number = 1; number <= 3; number += 1) await peer.send(request(), read);
  expect(process.received).toHaveLength(4);
});

it('is down while no address is known, and up by itself when the first one is', async () => {
  const process = await standIn();
  const ports: { now: readonly number[] | undefined } = { now: undefined };
  const peer = peerOf(['srv://_banyan._tcp.product'], { failures: 3, tries: 3 }, namesOf(ports));
  await expect(peer.send(request(), read)).rejects.toEqual(unavailable);
  expect(peer.state).toBe('down');
  ports.now = [process.port];
  while (peer.state === 'down') await new Promise((resolve) => setTimeout(resolve, 5));
  await expect(peer.send(request(), read)).resolves.toBe(String(process.port));
});

it('waits for a name no longer than a request has time', async () => {
  const never: Resolver = { addresses: () => new Promise(() => undefined), services: async () => [] };
  const sent = peerOf(['http://product:9090'], {}, never).send(
    request({ deadlineAt: performance.now() + 30 }),
    read,
  );
  await expect(sent).rejects.toEqual(expect.objectContaining({ code: 'timeout' }));
});
