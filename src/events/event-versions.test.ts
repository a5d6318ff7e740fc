import { sql } from 'drizzle-orm';
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { Finding } from '../audit.ts';
import type { Database } from '../database/database.ts';
import type { Engine } from '../database/engine.ts';
import { DELIVERY_ATTEMPTS } from '../limits.ts';
import { openPlatformDatabase } from '../testing/database.ts';
import { listDeliveries } from './admin.ts';
import { auditEvents, auditInbox } from './audit.ts';
import { createConsumer } from './consumer.ts';
import { type DataOf, defineEvent, type EventType, readData } from './event.ts';
import { createSettle } from './handle.ts';
import { createOutbox } from './outbox.ts';
import { createRelay } from './relay.ts';
import { createDispatch, handles, type Subscription, typesOf } from './subscription.ts';

const log = pino({ level: 'silent' });
const soldV1 = defineEvent('test.sold.v1', z.object({ cents: z.int() }));
const soldV2 = defineEvent('test.sold.v2', z.object({ amount: z.int(), currency: z.string() }), {
  from: soldV1,
  upcast: ({ cents }) => ({ amount: cents, currency: 'EUR' }),
});
const soldV3 = defineEvent('test.sold.v3', z.object({ price: z.object({ amount: z.int() }) }), {
  from: soldV2,
  upcast: ({ amount }) => ({ price: { amount } }),
});

describe('versions of an event', () => {
  it('are read as the newest, step by step', () => {
    expect(readData(soldV3, 'test.sold.v1', { cents: 5 })).toEqual({ price: { amount: 5 } });
    expect(readData(soldV3, 'test.sold.v2', { amount: 6, currency: 'USD' })).toEqual({
      price: { amount: 6 },
    });
    expect(readData(soldV3, 'test.sold.v3', { price: { amount: 7 } })).toEqual({ price: { amount: 7 } });
  });

  it('fill in what was added with a default, and refuse what does not fit the version it came as', () => {
    const grown = defineEvent('test.grown.v1', z.object({ n: z.int(), by: z.string().default('shop') }));
    expect(readData(grown, 'test.grown.v1', { n: 1 })).toEqual({ n: 1, by: 'shop' });
    expect(() => readData(soldV3, 'test.sold.v1', { price: { amount: 1 } })).toThrow();
    expect(() => readData(soldV3, 'test.sold.v4', {})).toThrow('is a version of');
  });

  it('have names that say so', () => {
    expect(() => defineEvent('test.sold', z.object({}))).toThrow('<module>.<what happened>.v<number>');
    const upcast = () => ({});
    expect(() => defineEvent('test.sold.v1', z.object({}), { from: soldV1, upcast })).toThrow(
      'older version',
    );
    expect(() => defineEvent('test.gone.v2', z.object({}), { from: soldV1, upcast })).toThrow(
      'older version',
    );
  });

  it('have one handler in a module', () => {
    const ignore = async () => {};
    expect(typesOf(handles(soldV3, ignore))).toEqual(['test.sold.v3', 'test.sold.v2', 'test.sold.v1']);
    expect(() => createDispatch('test', [handles(soldV3, ignore), handles(soldV1, ignore)])).toThrow('once');
  });
});

describe('while processes are replaced', () => {
  let engine: Engine;
  let database: Database;

  beforeAll(async () => {
    ({ engine, database } = await openPlatformDatabase());
    await database.rows(sql`create table test.effect (text text not null)`);
  });
  afterAll(() => engine.close());
  beforeEach(async () => {
    for (const table of ['outbox', 'delivery', 'inbox', 'effect']) {
      await database.rows(sql`delete from test.${sql.identifier(table)}`);
    }
  });

  /** As a process would whose contracts have a consumer of this very version. */
  async function send<E extends EventType>(
    event: E,
    version: number,
    data: z.input<E['data']>,
  ): Promise<void> {
    const subscribers = new Map([[event.type, ['test']]]);
    const outbox = createOutbox({ schema: 'test', subscribers, wake: () => {} });
    await database.transaction((tx) => outbox.append(tx, event, { stream: 's', version, data }));
  }

  /** The handling of a process that knows `event` as its newest version, writing down what it was given. */
  function noting<E extends EventType>(event: E): Subscription {
    return handles<E>(event, async ({ type, data }, once) => {
      await once(async (tx) => {
        const text = JSON.stringify({ type, data: data as DataOf<E> });
        await tx.rows(sql`insert into test.effect (text) values (${text})`);
      });
    });
  }

  /** Delivers with the handlers of one process until `done`. */
  async function deliver(subscription: Subscription, done: () => Promise<boolean>): Promise<void> {
    const handled = () => undefined;
    const { consume } = createConsumer({ name: 'test', database, subscriptions: [subscription], handled });
    const relay = createRelay({
      database,
      consumers: ['test'],
      local: () => consume,
      settle: createSettle({ database, log }),
      log,
    });
    relay.start();
    for (let look = 0; look < 500 && !(await done()); look += 1) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      relay.wake();
    }
    await relay.stop();
  }

  async function effects(): Promise<unknown[]> {
    const rows = await database.rows<{ text: string }>(sql`select text from test.effect`);
    return rows.map(({ text }) => JSON.parse(text));
  }
  const open = () => listDeliveries(database, { limit: 10 });
  const hasFailed = async () => (await open()).some(({ lastError }) => lastError !== null);
  const allDone = async () => (await open()).length === 0;
  const makeDue = () => database.rows(sql`update test.delivery set due_at = now() where state = 'pending'`);

  async function audit(event: EventType): Promise<Finding[]> {
    const found: Finding[] = [];
    const subscribers = new Map([[event.type, ['test']]]);
    const inboxes = new Map([['test', database]]);
    for await (const finding of auditEvents('test', database, subscribers, inboxes)) found.push(finding);
    for await (const finding of auditInbox('test', database)) found.push(finding);
    return found;
  }

  it('a new consumer handles what an old producer sent, as the newest version, and knows it by its id', async () => {
    await send(soldV1, 1, { cents: 5 });
    await send(soldV3, 2, { price: { amount: 6 } });
    await deliver(noting(soldV3), allDone);
    expect(await effects()).toEqual([
      { type: 'test.sold.v3', data: { price: { amount: 5 } } },
      { type: 'test.sold.v3', data: { price: { amount: 6 } } },
    ]);
    const known = await database.rows(sql`
      select o.type from test.outbox o join test.inbox i on i.event_id = o.id and i.type = o.type
      order by o.version`);
    expect(known).toEqual([{ type: 'test.sold.v1' }, { type: 'test.sold.v3' }]);
    expect(await audit(soldV3)).toEqual([]);
  });

  it('what a new producer sent to an old consumer waits, unparked and in order, for a new one', async () => {
    await send(soldV2, 1, { amount: 5, currency: 'EUR' });
    await send(soldV1, 2, { cents: 6 });
    await database.rows(sql`update test.delivery set attempts = ${DELIVERY_ATTEMPTS - 1} where version = 1`);
    await deliver(noting(soldV1), hasFailed);
    expect(await effects()).toEqual([]);
    expect((await open()).map(({ state }) => state)).toEqual(['pending', 'pending']);
    await makeDue();
    await deliver(noting(soldV2), allDone);
    expect(await effects()).toEqual([
      { type: 'test.sold.v2', data: { amount: 5, currency: 'EUR' } },
      { type: 'test.sold.v2', data: { amount: 6, currency: 'EUR' } },
    ]);
    expect(await audit(soldV2)).toEqual([]);
  });
});
