import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { afterEach, expect, it } from 'vitest';
import { z } from 'zod';
import { currentContext, runInContext } from '../context.ts';
import { AppError } from '../errors.ts';
import { createPeers } from '../peers/peers.ts';
import { command, defineContract, query } from '../rpc/contract.ts';
import { createLocalApi } from '../rpc/local.ts';
import { serveContract } from '../testing/serve-contract.ts';
import { startTcpProxy } from '../testing/tcp-proxy.ts';
import { TRAILER_EXTRA_BYTES, TRAILER_MESSAGE_LENGTH } from './failure.ts';

const open: { stop(): Promise<void> }[] = [];

afterEach(async () => {
  for (const each of open.splice(0)) await each.stop();
});

const nullable = z.object({ text: z.string().nullable(), note: z.string().optional() });
const values = z.object({
  ...nullable.shape,
  count: z.int(),
  ratio: z.number(),
  yes: z.boolean(),
  list: z.array(nullable),
  texts: z.record(z.string(), z.string()),
  any: z.unknown(),
  object: z.record(z.string(), z.unknown()),
  objects: z.array(z.record(z.string(), z.unknown())),
  both: z.string().nullish(),
  either: z.union([z.string(), z.array(z.int())]),
  maybe: z.array(z.string()).optional(),
  nested: z.object({ inner: z.object({}) }).nullable(),
});

const till = defineContract('till', {
  calls: {
    echo: query({ input: values, output: values, errors: [] }),
    pay: command({
      key: 'id',
      input: z.strictObject({ id: z.string() }),
      output: z.object({ id: z.string() }),
      errors: ['too_poor'],
    }),
    hang: query({ input: z.object({}), output: z.object({}), errors: [], timeoutMs: 100 }),
  },
});

/** A till whose customers are all too poor, at great length, unless `pay` is given. */
function createTill(pay: (id: string) => Promise<{ id: string }> = tooPoor) {
  return createLocalApi(till, {
    echo: async (input) => input,
    pay: ({ id }) => pay(id),
    hang: () => new Promise<never>(() => {}),
  });
}

const long = 'x'.repeat(TRAILER_EXTRA_BYTES);
async function tooPoor(): Promise<never> {
  throw new AppError('declined', 'too_poor', 'no money', { extra: { long } });
}

async function serve(api = createTill(), options: Partial<Parameters<typeof serveContract>[2]> = {}) {
  const served = await serveContract(till, api, { protocol: 'grpc', ...options });
  open.push(served);
  return served;
}

const everything = {
  text: null,
  count: Number.MAX_SAFE_INTEGER,
  ratio: 0.1,
  yes: false,
  list: [{ text: '' }, { text: null, note: '' }, { text: 'ü😀\u0000' }],
  texts: { b: '', a: '2', constructor: 'c' },
  any: [null, 1, { x: [] }],
  object: { a: { b: null }, fields: [] },
  objects: [{ a: 1 }, {}],
  both: null,
  either: [0, -1],
  maybe: [],
  nested: { inner: {} },
};
const nothing = {
  text: 'x',
  count: 0,
  ratio: 0,
  yes: true,
  list: [],
  texts: {},
  any: null,
  object: {},
  objects: [],
  either: '',
  nested: null,
};

it('carries every value as it is, and tells null from what is not there', async () => {
  const { api, skew } = await serve();
  for (const value of [everything, nothing]) expect(await api.echo(value)).toStrictEqual(value);
  expect(skew.calls).toEqual([]);
});

it('makes a bug of a value that is not of the form of the contract', async () => {
  const { api } = await serve();
  const wrong = [{ count: 1.5 }, { count: '1' }, { text: 5 }, { list: {} }, { yes: 1 }, { text: '\ud800' }];
  for (const members of wrong) {
    const error = await api.echo({ ...nothing, ...members } as never).catch((failure: unknown) => failure);
    expect(error).toBeInstanceOf(Error);
    expect(error).not.toBeInstanceOf(AppError);
  }
  await expect(api.pay({ id: 'a', tip: 1 } as never)).rejects.toThrow(/tip/);
});

it('travels with the request that led to it', async () => {
  let seen: ReturnType<typeof currentContext>;
  const { api } = await serve(
    createTill(async (id) => {
      seen = currentContext();
      return { id };
    }),
  );
  const userId = '01890a5d-ac96-774b-bcce-b302099a8057';
  const context = { requestId: 'r-1', traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), userId, depth: 1 };
  const deadlineAt = performance.now() + 5_000;
  await runInContext({ ...context, deadlineAt }, () => api.pay({ id: 'a' }));
  expect(seen).toMatchObject({ requestId: 'r-1', traceId: 'a'.repeat(32), userId, depth: 2 });
  expect(seen!.deadlineAt).toBeLessThan(deadlineAt + 5_000);
});

it('gets a failure whole that no trailer has room for', async () => {
  const { api } = await serve();
  await expect(api.pay({ id: 'a' })).rejects.toMatchObject({ code: 'too_poor', extra: { long } });
});

it('gets a message whole that no trailer has room for', async () => {
  const why = 'Überzogen. '.repeat(TRAILER_MESSAGE_LENGTH);
  const { api } = await serve(
    createTill(async () => {
      throw new AppError('declined', 'too_poor', why);
    }),
  );
  await expect(api.pay({ id: 'a' })).rejects.toMatchObject({ code: 'too_poor', message: why });
});

it('leaves the connection to others when one call is given up', async () => {
  const { api } = await serve();
  const hanging = api.hang({});
  const others = Promise.all([api.echo(nothing), api.echo(everything)]);
  await expect(hanging).rejects.toMatchObject({ kind: 'unavailable', code: 'timeout' });
  expect(await others).toEqual([nothing, everything]);
  expect(await api.echo(nothing)).toEqual(nothing);
});

it('goes on when its connection has died and nobody said so', async () => {
  const served = await serve();
  const proxy = await startTcpProxy(served.port);
  const peers = createPeers({
    addresses: { till: [`grpc://127.0.0.1:${proxy.port}`] },
    log: pino({ level: 'silent' }),
    registry: new Registry(),
    limits: { stallMs: 50, probeTimeoutMs: 200, probeEveryMs: 20, ejectMs: 20, closeMs: 100 },
  });
  open.unshift({ stop: () => peers.close() }, { stop: () => proxy.close() });
  const api = served.apiOver(peers);
  expect(await api.echo(nothing)).toEqual(nothing);
  proxy.stall();
  proxy.resume();
  // Some calls end `unavailable`; without another connection each of them would.
  const ask = () =>
    api.echo(nothing).then(
      () => true,
      () => false,
    );
  await expect.poll(ask, { timeout: 20_000 }).toBe(true);
});

it('lets calls under way end when the process stops', async () => {
  const began = Promise.withResolvers<void>();
  const mayEnd = Promise.withResolvers<void>();
  const served = await serve(
    createTill(async (id) => {
      began.resolve();
      await mayEnd.promise;
      return { id };
    }),
  );
  const call = served.api.pay({ id: 'a' });
  await began.promise;
  const stopped = served.server.close();
  mayEnd.resolve();
  expect(await call).toEqual({ id: 'a' });
  await stopped;
});

it('asks nobody who does not host the module', async () => {
  const { api } = await serve(createTill(), { hosted: false });
  await expect(api.echo(nothing)).rejects.toMatchObject({ kind: 'unavailable', code: 'peer_unavailable' });
});

it('is told apart from a bug between versions that do not fit', async () => {
  const wider = defineContract('till', {
    calls: {
      pay: command({
        key: 'id',
        input: z.object({ id: z.string(), purse: z.string() }),
        output: z.object({ id: z.string() }),
        errors: [],
      }),
    },
  });
  const there = createLocalApi(wider, { pay: async ({ id }) => ({ id }) });
  const { api, skew } = await serve(there as never, { there: wider });
  const mismatch = { kind: 'unavailable', code: 'contract_mismatch' };
  await expect(api.pay({ id: 'a' })).rejects.toMatchObject(mismatch);
  await expect(api.echo(nothing)).rejects.toMatchObject(mismatch);
  expect(skew.calls).toContain('till.pay');
});

it('speaks HTTP/2 for calls, and HTTP/1.1 for requests that are passed on, to one port', async () => {
  const begins: string[] = [];
  const listener = createServer((socket) =>
    socket.once('data', (bytes) => {
      begins.push(bytes.toString('latin1').slice(0, 14));
      socket.destroy();
    }),
  ).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo;
  const peers = createPeers({
    addresses: { till: [`grpc://127.0.0.1:${port}`] },
    log: pino({ level: 'silent' }),
    registry: new Registry(),
    limits: { closeMs: 100 },
  });
  const send = (http2: boolean) =>
    peers.of('till').send(
      {
        method: 'POST',
        path: '/x',
        headers: {},
        body: '{}',
        http2,
        deadlineAt: performance.now() + 5_000,
        repeatable: false,
      },
      async () => undefined,
    );
  for (const http2 of [true, false]) await expect(send(http2)).rejects.toMatchObject({ kind: 'unavailable' });
  expect(begins).toEqual(expect.arrayContaining(['PRI * HTTP/2.0', 'POST /x HTTP/1']));
  await peers.close();
  listener.close();
});
