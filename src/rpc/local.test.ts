import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { currentContext, runInContext } from '../context.ts';
import type { Engine } from '../database/engine.ts';
import { AppError } from '../errors.ts';
import { CALL_DEPTH } from '../limits.ts';
import { openPlatformDatabase } from '../testing/database.ts';
import { command, defineContract, query } from './contract.ts';
import { createLocalApi } from './local.ts';

const box = z.object({ items: z.array(z.object({ n: z.int() })) });
const contract = defineContract('box', {
  calls: {
    echo: query({ input: box, output: box, errors: ['empty'] }),
    slow: command({
      key: 'id',
      input: z.object({ id: z.string() }),
      output: z.object({}),
      errors: [],
      timeoutMs: 20,
    }),
  },
});

type Echo = Parameters<typeof createLocalApi<typeof contract>>[1]['echo'];

const create = (echo: Echo, slow = async () => ({})) => createLocalApi(contract, { echo, slow });

describe('local call', () => {
  it('leaks no reference in either direction', async () => {
    const kept: { items: { n: number }[] }[] = [];
    const api = create(async (input) => {
      kept.push(input);
      return input;
    });
    const mine = { items: [{ n: 1 }] };
    const answer = await api.echo(mine);
    mine.items[0]!.n = 2;
    answer.items[0]!.n = 3;
    expect(kept[0]).toEqual({ items: [{ n: 1 }] });
  });

  it('refuses input and output that do not fit the contract', async () => {
    const api = create(async () => ({ items: [{ n: 0.5 }] }));
    await expect(api.echo({ items: [{ n: 1.5 }] })).rejects.toThrow('input of box.echo');
    await expect(api.echo({ items: [] })).rejects.toThrow();
  });

  it('lets declared failures and unknown outcomes pass, and nothing else', async () => {
    const failing = (error: Error) =>
      create(async () => {
        throw error;
      }).echo({ items: [] });
    await expect(failing(new AppError('conflict', 'empty', 'no items'))).rejects.toMatchObject({
      code: 'empty',
    });
    await expect(failing(new AppError('unavailable', 'down', 'gone'))).rejects.toMatchObject({
      code: 'down',
    });
    await expect(failing(new AppError('conflict', 'other', 'odd'))).rejects.toThrow(
      'declares the error other',
    );
  });

  it('ends by its own deadline, and by the caller’s when that is sooner', async () => {
    const never = () => new Promise<never>(() => {});
    await expect(create(never, never).slow({ id: '1' })).rejects.toMatchObject({ code: 'timeout' });
    const context = { requestId: 'r', traceId: 't', spanId: 's', deadlineAt: performance.now() + 10 };
    const late = runInContext(context, () => create(never).echo({ items: [] }));
    await expect(late).rejects.toMatchObject({ code: 'timeout' });
  });

  it('hands the request on with a deadline that never grows', async () => {
    const deadlineAt = performance.now() + 5_000;
    let seen: number | undefined;
    const api = create(async (input) => {
      seen = currentContext()?.deadlineAt;
      return input;
    });
    await runInContext({ requestId: 'r', traceId: 't', spanId: 's', deadlineAt }, () =>
      api.echo({ items: [] }),
    );
    expect(seen).toBeLessThanOrEqual(deadlineAt + 1);
  });

  it('knows no members that are undefined, in either direction, as JSON knows none', async () => {
    const open = z.object({ a: z.int().optional(), b: z.object({ c: z.int().optional() }) });
    const loose = defineContract('loose', {
      calls: { echo: query({ input: open, output: open, errors: [] }) },
    });
    const seen: object[] = [];
    const api = createLocalApi(loose, {
      echo: async (input) => {
        seen.push(input);
        return { a: undefined, b: { c: undefined } };
      },
    });
    const answer = await api.echo({ a: undefined, b: { c: undefined } });
    for (const value of [...seen, answer]) expect(value).toStrictEqual({ b: {} });
  });

  it('is not made when no time is left for it', async () => {
    let made = 0;
    const api = create(async (input) => {
      made += 1;
      return input;
    });
    const context = { requestId: 'r', traceId: 't', spanId: 's', deadlineAt: performance.now() - 1 };
    await expect(runInContext(context, () => api.echo({ items: [] }))).rejects.toMatchObject({
      code: 'timeout',
    });
    expect(made).toBe(0);
  });

  it('bounds the calls below it also where no request led to it', async () => {
    let seen: number | undefined;
    const api = create(async (input) => {
      seen = currentContext()?.deadlineAt;
      return input;
    });
    await api.echo({ items: [] });
    expect(seen).toBeGreaterThan(performance.now());
  });

  it('ends in a bug when calls lead to each other for ever', async () => {
    let depth = 0;
    const api = create(async (input) => {
      depth += 1;
      return await api.echo(input);
    });
    await expect(api.echo({ items: [] })).rejects.toThrow(`calls are at most ${CALL_DEPTH} deep: box.echo`);
    expect(depth).toBe(CALL_DEPTH);
  });

  describe('with a database', () => {
    let opened: Awaited<ReturnType<typeof openPlatformDatabase>>;
    beforeAll(async () => {
      opened = await openPlatformDatabase();
    });
    afterAll(() => (opened.engine as Engine).close());

    it('is refused inside a transaction', async () => {
      const api = create(async (input) => input);
      const call = opened.database.transaction(() => api.echo({ items: [] }));
      await expect(call).rejects.toThrow('call of box.echo inside a transaction on test');
    });
  });
});
