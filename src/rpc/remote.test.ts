import { Readable } from 'node:stream';
import { Registry } from 'prom-client';
import { uuidv7 } from 'uuidv7';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { currentContext, runInContext } from '../context.ts';
import { AppError } from '../errors.ts';
import { CALL_DEPTH, CALL_TIMEOUT_MS } from '../limits.ts';
import type { Peer } from '../peers/peer.ts';
import { createLogger } from '../telemetry/log.ts';
import { command, defineContract, query } from './contract.ts';
import { createLocalApi } from './local.ts';
import { createCallMetrics } from './observe.ts';
import { createRemoteApi } from './remote.ts';
import { createCallServer } from './server.ts';
import { createServiceTokens } from './service-token.ts';
import { createSkew } from './skew.ts';
import { createCallTaker, type ServedModule } from './take-call.ts';

const till = defineContract('till', {
  calls: {
    charge: command({
      key: 'id',
      input: z.object({ id: z.string(), amount: z.int() }),
      output: z.object({ state: z.string() }),
      errors: ['no_credit'],
    }),
  },
});

/** A caller and the process it calls, which may know other contracts, without a network between them. */
function link<C extends ReturnType<typeof defineContract>>(options: {
  here: C;
  there?: typeof till | ReturnType<typeof defineContract>;
  implementation: Record<string, (input: never) => Promise<unknown>>;
  secret?: string;
}) {
  const logged: Record<string, unknown>[] = [];
  const destination = { write: (line: string) => void logged.push(JSON.parse(line)) };
  const log = createLogger({ level: 'info', destination });
  const registry = new Registry();
  const there = options.there ?? options.here;
  const taker = createCallTaker({
    modules: [
      { contract: there, api: createLocalApi(there, options.implementation as never) as ServedModule['api'] },
    ],
    tokens: createServiceTokens(options.secret ?? 'a secret of this test, long enough to be one'),
    log,
  });
  const server = createCallServer(taker);
  const peer: Peer = {
    module: 'till',
    state: 'up',
    async send({ method, path, headers, body }, read) {
      const response = await server.request(path, {
        method,
        headers: headers as Record<string, string>,
        body: body as string,
      });
      return await read({
        status: response.status,
        headers: Object.fromEntries(response.headers),
        body: Readable.from(Buffer.from(await response.arrayBuffer())),
      });
    },
  };
  const skew = createSkew(registry, log);
  const api = createRemoteApi(options.here, {
    caller: 'order',
    peer,
    tokens: createServiceTokens('a secret of this test, long enough to be one'),
    skew,
    metrics: createCallMetrics(registry),
    log,
  });
  return { api: api as Record<string, (input: unknown) => Promise<unknown>>, skew, registry, logged };
}

const paid = { charge: async () => ({ state: 'paid' }) };
const input = { id: 'a', amount: 5 };

describe('a call of a module elsewhere', () => {
  it('answers as in one process, for whom it is made and no deeper than it is', async () => {
    const userId = uuidv7();
    let seen: ReturnType<typeof currentContext>;
    const { api, skew } = link({
      here: till,
      implementation: {
        charge: async () => {
          seen = currentContext();
          return { state: 'paid' };
        },
      },
    });
    const context = { requestId: 'r-1', traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), userId };
    const deadlineAt = performance.now() + 5_000;
    expect(await runInContext({ ...context, deadlineAt, depth: 1 }, () => api.charge!(input))).toEqual({
      state: 'paid',
    });
    expect(seen).toMatchObject({ requestId: 'r-1', traceId: 'a'.repeat(32), userId, depth: 2 });
    // What is left travels, so it is later there by the way; without it there would be CALL_TIMEOUT_MS.
    expect(seen!.deadlineAt).toBeLessThan(deadlineAt + CALL_TIMEOUT_MS / 2);
    expect(skew.calls).toEqual([]);
  });

  it('fails with the same error, and hides what a bug says', async () => {
    const failing = (error: unknown) =>
      link({
        here: till,
        implementation: {
          charge: async () => {
            throw error;
          },
        },
      });
    const declined = failing(new AppError('declined', 'no_credit', 'no', { extra: { limit: 3 } }));
    await expect(declined.api.charge!(input)).rejects.toMatchObject({
      kind: 'declined',
      code: 'no_credit',
      extra: { limit: 3 },
    });
    const broken = failing(new TypeError('a secret thing'));
    const error = await broken.api.charge!(input).catch((failure: unknown) => failure);
    expect(error).not.toBeInstanceOf(AppError);
    expect(String(error)).not.toContain('secret');
    expect(broken.logged.map(({ msg }) => msg)).toContain('a call failed');
  });

  it('ends where calls would go round in circles, and is not sent when no time is left', async () => {
    const { api } = link({ here: till, implementation: paid });
    const context = { requestId: 'r', traceId: 'a'.repeat(32), spanId: 'b'.repeat(16) };
    await expect(runInContext({ ...context, depth: CALL_DEPTH }, () => api.charge!(input))).rejects.toThrow(
      /deep/,
    );
    const late = { ...context, deadlineAt: performance.now() - 1 };
    await expect(runInContext(late, () => api.charge!(input))).rejects.toMatchObject({ code: 'timeout' });
  });

  it('is unavailable when the other process has another secret, and the log tells', async () => {
    const { api, logged } = link({
      here: till,
      implementation: paid,
      secret: 'another secret, of some other shop altogether',
    });
    await expect(api.charge!(input)).rejects.toMatchObject({ kind: 'unavailable', code: 'peer_unavailable' });
    expect(logged.map(({ msg }) => msg)).toContain('a peer refused our service token');
    expect(JSON.stringify(logged)).not.toMatch(/eyJ|secret, of/);
  });
});

describe('a call of another version', () => {
  const wider = defineContract('till', {
    calls: {
      charge: command({
        key: 'id',
        input: z.object({ id: z.string(), amount: z.int(), note: z.string().optional() }),
        output: z.object({ state: z.string() }),
        errors: ['no_credit'],
      }),
    },
  });

  it('passes while both can read each other, and is named until the versions are the same', async () => {
    const { api, skew, registry, logged } = link({ here: till, there: wider, implementation: paid });
    expect(await api.charge!(input)).toEqual({ state: 'paid' });
    expect(skew.calls).toEqual(['till.charge']);
    expect(await registry.metrics()).toContain('banyan_contract_skew{module="till",call="charge"} 1');
    await api.charge!(input);
    expect(logged.filter(({ msg }) => msg === 'a peer has another version of the contract')).toHaveLength(1);
  });

  it.each([
    [
      'wants more',
      command({
        key: 'id',
        input: z.object({ id: z.string(), amount: z.int(), currency: z.string() }),
        output: z.object({ state: z.string() }),
        errors: ['no_credit'],
      }),
    ],
    [
      'answers something else',
      command({
        key: 'id',
        input: z.object({ id: z.string(), amount: z.int() }),
        output: z.object({ result: z.string().default('paid') }),
        errors: ['no_credit'],
      }),
    ],
  ])('ends in contract_mismatch when the other side %s', async (_, charge) => {
    const there = defineContract('till', { calls: { charge } });
    const { api } = link({ here: till, there, implementation: paid });
    await expect(api.charge!(input)).rejects.toMatchObject({
      kind: 'unavailable',
      code: 'contract_mismatch',
    });
  });

  it('ends in contract_mismatch when the other side does not have it', async () => {
    const empty = defineContract('till', {
      calls: { look: query({ input: z.object({}), output: z.object({}), errors: [] }) },
    });
    const { api } = link({ here: till, there: empty, implementation: { look: async () => ({}) } });
    await expect(api.charge!(input)).rejects.toMatchObject({ code: 'contract_mismatch' });
  });
});
