import { type SQL, sql } from 'drizzle-orm';
import { pino } from 'pino';
import { uuidv7 } from 'uuidv7';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { Finding } from '../audit.ts';
import type { Database } from '../database/database.ts';
import type { Engine } from '../database/engine.ts';
import { AppError } from '../errors.ts';
import {
  CLEAN_UP_BATCH,
  DELIVERY_ATTEMPTS,
  OUTBOX_KEEP_DAYS,
  RELAY_CONCURRENCY,
  RELAY_OVERLAP,
} from '../limits.ts';
import { openPlatformDatabase } from '../testing/database.ts';
import { listDeliveries, retryDeliveries, skipDelivery } from './admin.ts';
import { auditEvents, auditInbox } from './audit.ts';
import { deleteOldEvents } from './clean-up.ts';
import { claimDeliveries, type Outcome, recordOutcomes } from './delivery-store.ts';
import { defineEvent, type EventEnvelope } from './event.ts';
import { type Consume, createSettle, type Settle } from './handle.ts';
import { consume } from './inbox.ts';
import { createOutbox, type Subscribers } from './outbox.ts';
import { createRelay } from './relay.ts';

const log = pino({ level: 'silent' });
const counted = defineEvent('test.counted.v1', z.object({ n: z.int() }));
const subscribers: Subscribers = new Map([[counted.type, ['test']]]);

describe('events', () => {
  let engine: Engine;
  let database: Database;
  let settle: Settle;

  beforeAll(async () => {
    ({ engine, database } = await openPlatformDatabase());
    settle = createSettle({ database, log });
    await database.rows(sql`create table test.effect (n integer not null)`);
  });
  afterAll(() => engine.close());
  beforeEach(async () => {
    for (const table of ['outbox', 'delivery', 'inbox', 'effect']) {
      await database.rows(sql`delete from test.${sql.identifier(table)}`);
    }
  });

  const outbox = () => createOutbox({ schema: 'test', subscribers, wake: () => {} });

  async function append(stream: string, ...versions: number[]): Promise<void> {
    await database.transaction((tx) =>
      outbox().append(tx, counted, ...versions.map((n) => ({ stream, version: n, data: { n } }))),
    );
  }

  /** Delivers what is due until nothing is, then stops. */
  async function relayUntil(done: () => Promise<boolean>, handler: Consume): Promise<void> {
    const relay = createRelay({ database, consumers: ['test'], local: () => handler, settle, log });
    relay.start();
    for (let look = 0; look < 500 && !(await done()); look += 1) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      relay.wake();
    }
    await relay.stop();
  }

  const countEffect: Consume = async (event) => {
    await consume(database, event, async (received, once) => {
      await once(async (tx) => {
        await tx.rows(sql`insert into test.effect (n) values (${(received.data as { n: number }).n})`);
      });
    });
  };

  async function effects(): Promise<number[]> {
    const rows = await database.rows<{ n: number }>(sql`select n from test.effect`);
    return rows.map((row) => row.n);
  }
  const effectsAre = (count: number) => async () => (await effects()).length >= count;

  async function audit(): Promise<Finding[]> {
    const found: Finding[] = [];
    const inboxes = new Map([['test', database]]);
    for await (const finding of auditEvents('test', database, subscribers, inboxes)) found.push(finding);
    for await (const finding of auditInbox('test', database)) found.push(finding);
    return found;
  }

  it('writes an event only when the change commits', async () => {
    const failing = database.transaction(async (tx) => {
      await outbox().append(tx, counted, { stream: 's', version: 1, data: { n: 1 } });
      throw new Error('changed my mind');
    });
    await expect(failing).rejects.toThrow('changed my mind');
    expect(await database.rows(sql`select id from test.outbox`)).toEqual([]);
    expect(await database.rows(sql`select event_id from test.delivery`)).toEqual([]);
  });

  it('refuses data that does not fit the event', async () => {
    const bad = database.transaction((tx) =>
      outbox().append(tx, counted, { stream: 's', version: 1, data: { n: 1.5 } }),
    );
    await expect(bad).rejects.toThrow();
  });

  it('looks for what is earlier in a stream by that stream, whatever else is due', async () => {
    const statements: SQL[] = [];
    const noting: Database = {
      ...database,
      rows: async (statement) => {
        statements.push(statement);
        return [];
      },
    };
    await claimDeliveries(noting, 'test', 1);
    const plan = JSON.stringify(await database.rows(sql`explain ${statements[0]}`));
    expect(plan).toContain('AND (stream = d.stream) AND (version < d.version))');
  });

  it('delivers each stream in the order of its versions', async () => {
    await append('a', 3, 1, 2);
    await append('b', 1);
    await relayUntil(effectsAre(4), countEffect);
    const seen = await database.rows<{ stream: string; version: number }>(
      sql`select stream, version from test.inbox where stream = 'a' order by position`,
    );
    expect(seen.map((row) => row.version)).toEqual([1, 2, 3]);
    expect(await audit()).toEqual([]);
  });

  it('has one effect however often an event is delivered', async () => {
    const event: EventEnvelope = {
      id: uuidv7(),
      type: counted.type,
      stream: 's',
      version: 1,
      at: '2026-01-01T00:00:00.000Z',
      data: { n: 7 },
      trace: null,
    };
    await Promise.all([1, 2, 3].map(() => countEffect(event)));
    expect(await effects()).toEqual([7]);
  });

  it('does not remember an event whose effect failed', async () => {
    await append('s', 1);
    let failures = 1;
    await relayUntil(effectsAre(1), async (event) => {
      if (failures-- > 0) throw new Error('not now');
      await countEffect(event);
    });
    expect(await effects()).toEqual([1]);
    expect(await audit()).toEqual([]);
  });

  it('parks what keeps failing, holds back its stream, and goes on after a retry', async () => {
    await append('s', 1, 2);
    await append('other', 5);
    await database.rows(
      sql`update test.delivery set attempts = ${DELIVERY_ATTEMPTS - 1} where stream = 's' and version = 1`,
    );
    const poison: Consume = async (event) => {
      if (event.stream === 's' && event.version === 1) throw new Error('poison');
      await countEffect(event);
    };
    const parked = async () => (await listDeliveries(database, { state: 'parked', limit: 10 })).length === 1;
    await relayUntil(parked, poison);
    await relayUntil(effectsAre(1), poison);
    expect(await effects()).toEqual([5]);
    const [delivery] = await listDeliveries(database, { state: 'parked', limit: 10 });
    expect(delivery).toMatchObject({ consumer: 'test', stream: 's', version: 1, lastError: 'poison' });
    expect(await audit()).toMatchObject([
      { invariant: 'I5', detail: expect.stringContaining('parked: poison') },
    ]);

    expect(await retryDeliveries(database, delivery!.eventId)).toBe(1);
    await relayUntil(effectsAre(3), countEffect);
    expect((await effects()).sort()).toEqual([1, 2, 5]);
  });

  it('parks nothing for an outage of what a handler needs, unless it has lasted for a day', async () => {
    await append('s', 1);
    await database.rows(sql`update test.delivery set attempts = ${DELIVERY_ATTEMPTS + 5}`);
    const away: Consume = async () => {
      throw new AppError('unavailable', 'peer_down', 'a peer is away');
    };
    const tries = (count: number) => async () => {
      const [row] = await database.rows<{ attempts: number }>(sql`select attempts from test.delivery`);
      return row!.attempts >= DELIVERY_ATTEMPTS + count;
    };
    await relayUntil(tries(6), away);
    expect(await listDeliveries(database, { limit: 10 })).toMatchObject([
      { state: 'pending', lastError: 'a peer is away' },
    ]);
    await database.rows(sql`update test.outbox set at = at - interval '25 hours'`);
    await database.rows(sql`update test.delivery set due_at = now()`);
    await relayUntil(tries(7), away);
    expect(await listDeliveries(database, { limit: 10 })).toMatchObject([{ state: 'parked' }]);
  });

  it('goes on behind a parked event that is skipped', async () => {
    await append('s', 1, 2);
    await database.rows(sql`update test.delivery set state = 'parked' where version = 1`);
    const [parked] = await listDeliveries(database, { state: 'parked', limit: 10 });
    expect(await skipDelivery(database, parked!.eventId, 'test')).toBe(1);
    await relayUntil(effectsAre(1), countEffect);
    expect(await effects()).toEqual([2]);
  });

  it('refuses a skipped event that comes late, when its stream has gone on', async () => {
    await append('s', 1, 2);
    const [skipped] = await database.rows<EventEnvelope>(sql`select * from test.outbox where version = 1`);
    await database.rows(sql`update test.delivery set state = 'parked' where version = 1`);
    await skipDelivery(database, skipped!.id, 'test');
    await relayUntil(effectsAre(1), countEffect);
    await expect(countEffect(skipped!)).rejects.toMatchObject({ code: 'event_overtaken' });
    expect(await effects()).toEqual([2]);
    expect(await audit()).toEqual([]);
  });

  it('does not call late what waits for an earlier event that is tried again', async () => {
    await append('s', 1, 2);
    await database.rows(sql`update test.delivery set due_at = now() - interval '2 minutes'`);
    expect(await audit()).toHaveLength(1);
    await database.rows(sql`
      update test.delivery set due_at = now() + interval '30 seconds', attempts = 7 where version = 1`);
    expect(await audit()).toEqual([]);
  });

  it('delivers again what a dead process had leased, and refuses the late word of that process', async () => {
    await append('s', 1);
    const held = Promise.withResolvers<void>();
    const reached = Promise.withResolvers<void>();
    const stalled = createRelay({
      database,
      consumers: ['test'],
      local: () => async () => {
        reached.resolve();
        await held.promise;
        throw new Error('the stalled relay speaks at last');
      },
      settle,
      log,
    });
    stalled.start();
    await reached.promise;
    await database.rows(sql`update test.delivery set due_at = now()`);
    await relayUntil(effectsAre(1), countEffect);
    held.resolve();
    await stalled.stop();
    const [row] = await database.rows<{ state: string; fence: number }>(
      sql`select state, fence from test.delivery`,
    );
    expect(row).toEqual({ state: 'done', fence: 2 });
  });

  it('gives all that was claimed at once to a handler that gathers, and few to one that does not', async () => {
    await append('a', 1);
    for (let index = 0; index < 2 * RELAY_CONCURRENCY; index += 1) await append(`s${index}`, 2);
    const all = 2 * RELAY_CONCURRENCY + 1;
    const countAtOnce = async (isGathered: boolean) => {
      await database.rows(sql`update test.delivery set state = 'pending', due_at = now()`);
      const go = Promise.withResolvers<void>();
      let waiting = 0;
      const relay = createRelay({
        database,
        consumers: ['test'],
        local: () => async () => {
          waiting += 1;
          await go.promise;
        },
        gathers: (consumer, type) => isGathered && consumer === 'test' && type === counted.type,
        settle,
        log,
      });
      relay.start();
      await expect.poll(() => waiting).toBeGreaterThanOrEqual(isGathered ? all : RELAY_CONCURRENCY);
      const atOnce = waiting;
      go.resolve();
      await expect.poll(() => waiting).toBe(all);
      await relay.stop();
      return atOnce;
    };
    expect(await countAtOnce(true)).toBe(all);
    expect(await countAtOnce(false)).toBe(RELAY_CONCURRENCY);
  });

  it('lets nobody wait for one that takes long, and claims no more while many are under way', async () => {
    const go = Promise.withResolvers<void>();
    const begun: string[] = [];
    const slow: Consume = async ({ stream }) => {
      begun.push(stream);
      if (stream !== 'quick') await go.promise;
    };
    const relay = createRelay({ database, consumers: ['test'], local: () => slow, settle, log });
    relay.start();
    await append('slow', 1);
    relay.wake();
    await expect.poll(() => begun).toEqual(['slow']);
    await append('quick', 1);
    relay.wake();
    await expect.poll(() => begun).toEqual(['slow', 'quick']);
    for (let index = 1; index < RELAY_OVERLAP; index += 1) await append(`slow-${index}`, 1);
    relay.wake();
    await expect.poll(() => begun.length).toBe(RELAY_OVERLAP + 1);
    await append('last', 1);
    relay.wake();
    await new Promise((resolve) => setTimeout(resolve, 100));
    const [last] = await database.rows(sql`select state from test.delivery where stream = 'last'`);
    expect(last).toEqual({ state: 'pending' });
    go.resolve();
    await expect.poll(() => begun.at(-1)).toBe('last');
    await relay.stop();
  });

  it('writes down many outcomes at once, each by its own lease and number of failures', async () => {
    const streams = ['done', 'late', 'told', 'parked', 'failed', 'again', 'last'];
    for (const stream of streams) await append(stream, 1);
    await database.rows(sql`update test.delivery set state = 'leased', fence = 3, attempts = 2`);
    await database.rows(sql`update test.delivery set state = 'parked' where stream = 'parked'`);
    await database.rows(
      sql`update test.delivery set attempts = ${DELIVERY_ATTEMPTS - 1}::int where stream = 'last'`,
    );
    const rows = await database.rows<{ id: string; stream: string }>(sql`select id, stream from test.outbox`);
    const outcome = (stream: string, more: Partial<Outcome>): Outcome => {
      const eventId = rows.find((row) => row.stream === stream)!.id;
      return { eventId, consumer: 'test', attempts: 2, fence: 3, failure: null, ...more };
    };
    const failure = { message: 'poison', mayPass: false };
    const last = outcome('last', { failure, attempts: DELIVERY_ATTEMPTS - 1 });
    // All are written or none, so that whoever is told again is told the same.
    await expect(recordOutcomes(database, [last, { ...last, eventId: 'no id' }])).rejects.toThrow('uuid');
    const parked = await recordOutcomes(database, [
      outcome('done', {}),
      outcome('late', { fence: 2 }),
      outcome('told', { fence: undefined }),
      outcome('parked', { fence: undefined }),
      outcome('failed', { failure }),
      outcome('again', { failure, attempts: 1 }),
      last,
    ]);
    expect(parked).toEqual([false, false, false, false, false, false, true]);
    const states = await database.rows<{ stream: string; state: string; attempts: number }>(
      sql`select stream, state, attempts from test.delivery`,
    );
    const told = Object.fromEntries(states.map(({ stream, ...row }) => [stream, row]));
    expect(told).toEqual({
      done: { state: 'done', attempts: 2 },
      late: { state: 'leased', attempts: 2 },
      told: { state: 'done', attempts: 2 },
      parked: { state: 'done', attempts: 2 },
      failed: { state: 'pending', attempts: 3 },
      again: { state: 'leased', attempts: 2 },
      last: { state: 'parked', attempts: DELIVERY_ATTEMPTS },
    });
  });

  it('loses nothing and doubles nothing with four relays on the same rows', async () => {
    const streams = Array.from({ length: 20 }, (_, index) => `s${index}`);
    for (const stream of streams) await append(stream, 1, 2, 3);
    const relays = Array.from({ length: 4 }, () =>
      createRelay({ database, consumers: ['test'], local: () => countEffect, settle, log }),
    );
    for (const relay of relays) relay.start();
    for (let look = 0; look < 500 && !(await effectsAre(60)()); look += 1) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      for (const relay of relays) relay.wake();
    }
    await Promise.all(relays.map((relay) => relay.stop()));
    expect(await effects()).toHaveLength(60);
    expect(await audit()).toEqual([]);
  });

  it('deletes all events that were handled long ago, however many, and what their inbox knows of them', async () => {
    await append('kept', 1);
    await append('old', ...Array.from({ length: 2 * CLEAN_UP_BATCH + 1 }, (_, index) => index + 1));
    await append('open', 1);
    await database.rows(sql`update test.delivery set state = 'done' where stream <> 'open'`);
    await database.rows(sql`
      insert into test.inbox (event_id, type, stream, version, at)
      select id, type, stream, version, now() - interval '1 year' from test.outbox where stream = 'old'`);
    await database.rows(sql`
      update test.outbox set at = now() - ${OUTBOX_KEEP_DAYS + 1}::int * interval '1 day' where stream <> 'kept'`);
    await deleteOldEvents(database);
    const left = await database.rows(sql`select stream from test.outbox order by stream`);
    expect(left).toEqual([{ stream: 'kept' }, { stream: 'open' }]);
    expect(await database.rows(sql`select event_id from test.delivery`)).toHaveLength(2);
    expect(await database.rows(sql`select event_id from test.inbox`)).toEqual([]);
  });

  it('names events without a delivery, deliveries without an inbox row, and streams taken out of order', async () => {
    await append('s', 1, 2);
    await database.rows(sql`update test.delivery set state = 'done' where version = 1`);
    await database.rows(sql`delete from test.delivery where version = 2`);
    await database.rows(sql`
      insert into test.inbox (event_id, type, stream, version)
      values (${uuidv7()}, 't', 'x', 2), (${uuidv7()}, 't', 'x', 1)`);
    const found = await audit();
    expect(found.map((finding) => finding.invariant).sort()).toEqual(['I5', 'I5', 'I6']);
    expect(found.some((finding) => finding.detail.includes('has no delivery to test'))).toBe(true);
    expect(found.some((finding) => finding.detail.includes('does not know it'))).toBe(true);
    expect(found.some((finding) => finding.subject === 'x')).toBe(true);
  });
});
