import { sql } from 'drizzle-orm';
import { uuidv7 } from 'uuidv7';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { runInContext } from '../context.ts';
import type { Database } from '../database/database.ts';
import type { Engine } from '../database/engine.ts';
import { AppError } from '../errors.ts';
import { newTrace } from '../telemetry/trace-context.ts';
import { openPlatformDatabase } from '../testing/database.ts';
import { createConsumer } from './consumer.ts';
import { type DataOf, defineEvent, type EventEnvelope } from './event.ts';
import type { EventsHandler } from './inbox.ts';
import { handlesTogether } from './subscription.ts';

const countedV1 = defineEvent('sender.counted.v1', z.object({ count: z.int() }));
const counted = defineEvent('sender.counted.v2', z.object({ n: z.int() }), {
  from: countedV1,
  upcast: ({ count }) => ({ n: count }),
});
type Handler = EventsHandler<DataOf<typeof counted>>;

describe('events that are handled together', () => {
  let engine: Engine;
  let database: Database;
  /** What each call of the handler was given. */
  let calls: number[][];
  let lags: number;

  beforeAll(async () => {
    ({ engine, database } = await openPlatformDatabase());
    await database.rows(sql`create table test.effect (n integer not null check (n <> 13))`);
  });
  afterAll(() => engine.close());
  beforeEach(async () => {
    calls = [];
    lags = 0;
    await database.rows(sql`delete from test.inbox`);
    await database.rows(sql`delete from test.effect`);
  });

  const counting: Handler = async (events, once) => {
    calls.push(events.map(({ data }) => data.n));
    await once(async (tx, fresh) => {
      for (const { data } of fresh) await tx.rows(sql`insert into test.effect (n) values (${data.n}::int)`);
    });
  };

  function consumer(handler: Handler = counting) {
    const subscriptions = [handlesTogether(counted, handler)];
    const handled = () => {
      lags += 1;
    };
    return createConsumer({ name: 'test', database, subscriptions, handled }).consume;
  }

  function event(n: number, stream = `s${n}`, id = uuidv7()): EventEnvelope {
    const at = '2026-01-01T00:00:00.000Z';
    return { id, type: counted.type, stream, version: n, at, data: { n }, trace: null };
  }

  async function effects(): Promise<number[]> {
    const rows = await database.rows<{ n: number }>(sql`select n from test.effect order by n`);
    return rows.map(({ n }) => n);
  }

  async function inbox(): Promise<number[]> {
    const rows = await database.rows<{ version: number }>(
      sql`select version from test.inbox order by position`,
    );
    return rows.map(({ version }) => version);
  }

  const reasons = (results: readonly PromiseSettledResult<void>[]) =>
    results.map((result) => (result.status === 'rejected' ? (result.reason as Error).message : 'done'));

  test('reach the handler in one call, in their newest version, and each has its effect and its lag', async () => {
    const consume = consumer();
    const old = { ...event(2), type: countedV1.type, data: { count: 2 } };
    await Promise.all([event(1), old, event(3)].map((one) => consume(one)));
    expect(calls).toEqual([[1, 2, 3]]);
    expect(await effects()).toEqual([1, 2, 3]);
    expect(lags).toBe(3);
  });

  test('have their effect once, however often they come, together or later', async () => {
    const consume = consumer();
    const [one, two] = [event(1), event(2)];
    await Promise.all([one, one, two].map((again) => consume(again)));
    await Promise.all([one, two, event(3)].map((again) => consume(again)));
    expect(await effects()).toEqual([1, 2, 3]);
    expect(lags).toBe(3);
  });

  test('are handled alone when one of them fails, which fails for itself', async () => {
    const consume = consumer();
    const results = await Promise.allSettled([event(1), event(13), event(3)].map((one) => consume(one)));
    expect(reasons(results)).toEqual(['done', expect.stringContaining('check'), 'done']);
    expect(await effects()).toEqual([1, 3]);
    expect(await inbox()).toEqual([1, 3]);
  });

  test('that failed before are handled alone, whatever else there is', async () => {
    const consume = consumer(async (events, once) => {
      if (events.some(({ data }) => data.n === 2)) throw new AppError('unavailable', 'slow', 'too slow');
      await counting(events, once);
    });
    const results = await Promise.allSettled([consume(event(1)), consume(event(2), 1), consume(event(3))]);
    expect(reasons(results)).toEqual(['done', 'too slow', 'done']);
    expect(calls).toEqual([[1, 3]]);
  });

  test('are refused one by one when their stream has gone on', async () => {
    const consume = consumer();
    await consume(event(5, 'order'));
    const results = await Promise.allSettled([event(4, 'order'), event(6)].map((one) => consume(one)));
    expect(reasons(results)).toEqual([expect.stringContaining('order has gone on'), 'done']);
    expect(await effects()).toEqual([5, 6]);
  });

  test('of one stream are recorded and handled in its order', async () => {
    const seen: number[] = [];
    const consume = consumer(async (_, once) => {
      await once(async (_tx, fresh) => {
        seen.push(...fresh.map(({ version }) => version));
      });
    });
    await Promise.all([3, 1, 2].map((version) => consume(event(version, 'order'))));
    expect(seen).toEqual([1, 2, 3]);
    expect(await inbox()).toEqual([1, 2, 3]);
  });

  test('know in which trace each is handled, though they share a context', async () => {
    const seen: (string | null)[] = [];
    const consume = consumer(async (_, once) => {
      await once(async (_tx, fresh) => {
        seen.push(...fresh.map(({ trace }) => trace));
      });
    });
    const traces = [newTrace(), newTrace()];
    await Promise.all(
      traces.map((trace, index) =>
        runInContext({ requestId: 'event', ...trace }, () => consume(event(index + 1))),
      ),
    );
    expect(seen).toEqual(traces.map(({ traceId }) => expect.stringContaining(traceId)));
  });

  test('want once() of their handler', async () => {
    await expect(consumer(async () => undefined)(event(1))).rejects.toThrow('calls once()');
  });
});
