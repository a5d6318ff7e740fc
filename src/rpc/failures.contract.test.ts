import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { AppError, type ErrorKind, errorStatus } from '../errors.ts';
import { overWire } from '../testing/over-wire.ts';
import { serveContract } from '../testing/serve-contract.ts';
import { type Api, command, defineContract, query } from './contract.ts';
import { createLocalApi } from './local.ts';

const kinds = Object.keys(errorStatus) as ErrorKind[];

const till = defineContract('till', {
  calls: {
    fail: query({ input: z.object({ kind: z.enum(kinds) }), output: z.object({}), errors: ['it_failed'] }),
    surprise: query({ input: z.object({}), output: z.object({}), errors: ['it_failed'] }),
    break: query({ input: z.object({}), output: z.object({}), errors: [] }),
    sleep: query({ input: z.object({}), output: z.object({}), errors: [], timeoutMs: 50 }),
    count: command({
      key: 'id',
      input: z.object({ id: z.string() }),
      output: z.object({ count: z.int() }),
      errors: [],
    }),
  },
});

const failure = (kind: ErrorKind, code: string) =>
  new AppError(kind, code, 'it failed', { extra: { skus: ['a'], none: null }, retryAfterSeconds: 3 });

function createTill() {
  const counted = new Set<string>();
  return createLocalApi(till, {
    fail: async ({ kind }) => {
      throw failure(kind, 'it_failed');
    },
    surprise: async () => {
      throw failure('conflict', 'nobody_said_so');
    },
    break: async () => {
      throw new TypeError('till is not a function');
    },
    sleep: () => new Promise<never>(() => {}),
    count: async ({ id }) => {
      counted.add(id);
      return { count: counted.size };
    },
  });
}

type Till = Api<typeof till>;

const nothing = async () => {};
const runners: Record<string, () => Promise<{ api: Till; stop(): Promise<void> }>> = {
  'in one process': async () => ({ api: createTill(), stop: nothing }),
  'through the wire, commands twice': async () => ({ api: overWire(till, createTill()), stop: nothing }),
  'over the network': () => serveContract(till, createTill(), { protocol: 'http' }),
  'over the network, as gRPC': () => serveContract(till, createTill(), { protocol: 'grpc' }),
};

describe.each(Object.entries(runners))('a call %s', (_, open) => {
  let opened: { api: Till; stop(): Promise<void> };
  beforeAll(async () => {
    opened = await open();
  });
  afterAll(() => opened.stop());

  it.each(kinds)('fails with a declared error of the kind %s, and all that it tells', async (kind) => {
    const failed = opened.api.fail({ kind });
    await expect(failed).rejects.toBeInstanceOf(AppError);
    await expect(failed).rejects.toMatchObject({
      kind,
      code: 'it_failed',
      message: 'it failed',
      extra: { skus: ['a'], none: null },
      retryAfterSeconds: 3,
    });
  });

  it('makes a bug of an error that it does not declare, and leaves a bug one', async () => {
    for (const failed of [opened.api.surprise({}), opened.api.break({})]) {
      await expect(failed).rejects.toThrow();
      await expect(failed).rejects.not.toBeInstanceOf(AppError);
    }
  });

  it('ends with an unknown outcome at its deadline', async () => {
    await expect(opened.api.sleep({})).rejects.toMatchObject({ kind: 'unavailable', code: 'timeout' });
  });

  it('has the effect of a command once for each key', async () => {
    for (const id of ['a', 'b', 'a']) await opened.api.count({ id });
    expect(await opened.api.count({ id: 'b' })).toEqual({ count: 2 });
  });
});
