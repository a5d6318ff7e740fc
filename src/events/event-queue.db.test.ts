import { sql } from 'drizzle-orm';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import type { Database } from '../database/database.ts';
import type { Engine } from '../database/engine.ts';
import type { Part } from '../lifecycle.ts';
import { createQueues, type Queues } from '../redis/queues.ts';
import { createRedis, type Redis } from '../redis/redis.ts';
import { openPlatformDatabase } from '../testing/database.ts';
import { type RedisServer, startRedis } from '../testing/servers/redis-server.ts';
import { auditEvents } from './audit.ts';
import { defineEvent } from './event.ts';
import { createCarrier, eventJobs } from './event-queue.ts';
import { type Consume, createSettle, type Settle } from './handle.ts';
import { consume } from './inbox.ts';
import { createOutbox } from './outbox.ts';
import { createRelay, type Relay } from './relay.ts';

const log = pino({ level: 'silent' });
const counted = defineEvent('sender.counted.v1', z.object({ n: z.int() }));
const subscribers = new Map([[counted.type, ['receiver']]]);

let server: RedisServer;
let engine: Engine;
let database: Database;
let settle: Settle;
let stops: (() => Promise<void> | void)[];

beforeAll(async () => {
  server = await startRedis({ appendonly: false });
  ({ engine, database } = await openPlatformDatabase());
  settle = createSettle({ database, log });
  await database.rows(sql`create table test.effect (n integer not null)`);
});
afterAll(async () => {
  await engine.close();
  await server.stop();
});
beforeEach(async () => {
  stops = [];
  for (const table of ['outbox', 'delivery', 'inbox', 'effect']) {
    await database.rows(sql`delete from test.${sql.identifier(table)}`);
  }
});
afterEach(async () => {
  for (const stop of stops.reverse()) await stop();
});

let shops = 0;

/** A shop of its own on the Redis of this file: what one test leaves there, no other sees. */
function nextShop(): string {
  shops += 1;
  return `shop-${shops}`;
}

/** What one process has of Redis, ready to use. */
async function join(shopId: string): Promise<{ redis: Redis; queues: Queues }> {
  const redis = createRedis(server.url, log);
  const queues = createQueues(redis, shopId, log);
  stops.push(
    () => redis.close(),
    () => queues.close(),
  );
  await expect.poll(() => redis.available).toBe(true);
  return { redis, queues };
}

function run(part: Part): void {
  part.start?.();
  stops.push(async () => part.stop?.());
}

/** The process that sends: it hosts no consumer. */
async function startSender(shopId: string): Promise<{ relay: Relay; queues: Queues }> {
  const { queues } = await join(shopId);
  const carrier = createCarrier('sender', queues);
  const relay = createRelay({
    database,
    consumers: ['receiver'],
    local: () => undefined,
    carrier,
    settle,
    log,
  });
  const member = { name: 'sender', consume: neverAsked, settle, wake: relay.wake };
  run(
    queues.worker(
      'sender',
      eventJobs(member, queues, () => undefined, log),
    ),
  );
  run({ name: 'relay', start: relay.start, stop: relay.stop });
  return { relay, queues };
}

/** A process that receives, and knows of the sender no more than its queue. */
async function startReceiver(shopId: string, handler: Consume): Promise<void> {
  const { queues } = await join(shopId);
  const member = { name: 'receiver', consume: handler, settle, wake: () => undefined };
  run(
    queues.worker(
      'receiver',
      eventJobs(member, queues, () => undefined, log),
    ),
  );
}

async function neverAsked(): Promise<void> {
  throw new Error('the sender consumes nothing');
}

/** The database is one for all here; what makes the processes two is that they meet in Redis alone. */
const count: Consume = (event) =>
  consume(database, event, async (received, once) => {
    await once(async (tx) => {
      await tx.rows(sql`insert into test.effect (n) values (${(received.data as { n: number }).n}::int)`);
    });
  });

async function append(stream: string, ...versions: number[]): Promise<void> {
  const outbox = createOutbox({ schema: 'test', subscribers, wake: () => undefined });
  await database.transaction((tx) =>
    outbox.append(tx, counted, ...versions.map((n) => ({ stream, version: n, data: { n } }))),
  );
}

const effects = async () =>
  (await database.rows<{ n: number }>(sql`select n from test.effect`)).map(({ n }) => n);
const deliveries = () =>
  database.rows<{ state: string; attempts: number }>(
    sql`select state, attempts from test.delivery order by version`,
  );
const done = (attempts: number) => ({ state: 'done', attempts });

async function audit(): Promise<unknown[]> {
  const found: unknown[] = [];
  const inboxes = new Map([['receiver', database]]);
  for await (const finding of auditEvents('sender', database, subscribers, inboxes)) found.push(finding);
  return found;
}

describe('events between processes', () => {
  test('arrive in the order of their stream, and word of them comes back', async () => {
    const shopId = nextShop();
    await append('a', 1, 2, 3);
    await startSender(shopId);
    await startReceiver(shopId, count);
    await expect.poll(deliveries, { timeout: 20_000 }).toEqual([done(0), done(0), done(0)]);
    expect(await effects()).toEqual([1, 2, 3]);
    expect(await audit()).toEqual([]);
  });

  test('that fail are tried again by whichever process is there, and their failures are counted', async () => {
    const shopId = nextShop();
    await append('a', 1);
    let failures = 2;
    await startSender(shopId);
    for (const _ of ['first process', 'second process']) {
      await startReceiver(shopId, async (event) => {
        if (failures-- > 0) throw new Error('not now');
        await count(event);
      });
    }
    await expect.poll(deliveries, { timeout: 30_000 }).toEqual([done(2)]);
    expect(await effects()).toEqual([1]);
  });

  test('wait in Postgres while nobody is there to take them, without counting as failed', async () => {
    const shopId = nextShop();
    await append('a', 1);
    const { queues } = await startSender(shopId);
    await expect
      .poll(async () => (await deliveries()).map(({ state }) => state), { timeout: 20_000 })
      .toEqual(['leased']);
    expect(queues.available).toBe(true);
    await startReceiver(shopId, count);
    await expect.poll(deliveries, { timeout: 20_000 }).toEqual([done(0)]);
  });

  test('whose outcome gets lost come again, and have their effect once', async () => {
    const shopId = nextShop();
    await append('a', 1);
    const { relay } = await startSender(shopId);
    await startReceiver(shopId, count);
    await expect.poll(deliveries, { timeout: 20_000 }).toEqual([done(0)]);
    await database.rows(sql`update test.delivery set state = 'leased', due_at = now()`);
    relay.wake();
    await expect.poll(deliveries, { timeout: 20_000 }).toEqual([done(0)]);
    expect(await effects()).toEqual([1]);
  });

  test('that Redis forgot are sent again once their lease has run out', async () => {
    const shopId = nextShop();
    await append('a', 1, 2);
    const { relay } = await startSender(shopId);
    const { redis } = await join(shopId);
    await expect
      .poll(async () => (await deliveries()).map(({ state }) => state), { timeout: 20_000 })
      .toEqual(['leased', 'pending']);
    await redis.ask((connection) => connection.flushall());
    await startReceiver(shopId, count);
    await database.rows(sql`update test.delivery set due_at = now() where state = 'leased'`);
    relay.wake();
    await expect.poll(deliveries, { timeout: 20_000 }).toEqual([done(0), done(0)]);
    expect(await effects()).toEqual([1, 2]);
  });

  test('are offered again, uncounted, while Redis is away, and arrive when it is back', async () => {
    const shopId = nextShop();
    const { queues } = await startSender(shopId);
    await startReceiver(shopId, count);
    await server.kill('SIGKILL');
    await expect.poll(() => queues.available).toBe(false);
    await append('a', 1);
    await expect
      .poll(async () => await database.rows(sql`select 1 as seen from test.delivery where fence > 1`), {
        timeout: 20_000,
      })
      .toHaveLength(1);
    expect(await deliveries()).toMatchObject([{ attempts: 0 }]);
    await server.start();
    await expect.poll(deliveries, { timeout: 30_000 }).toEqual([done(0)]);
    expect(await effects()).toEqual([1]);
  });

  test('of a shape that this version does not know are dropped from the queue and stay in Postgres', async () => {
    const shopId = nextShop();
    await append('a', 1);
    const { queues } = await join(shopId);
    await queues.send('receiver', { name: 'event', id: 'evt-odd-0', data: { producer: 'sender' } });
    await queues.send('receiver', { name: 'of a later version', id: 'evt-new-0', data: {} });
    await startSender(shopId);
    await startReceiver(shopId, count);
    await expect.poll(deliveries, { timeout: 20_000 }).toEqual([done(0)]);
    expect(await effects()).toEqual([1]);
  });

  test('are handled here at once where the consumer is in this process', async () => {
    await append('a', 1);
    const { queues } = await join(nextShop());
    const carrier = {
      get available() {
        return queues.available;
      },
      send: neverAsked,
    };
    const relay = createRelay({
      database,
      consumers: ['receiver'],
      local: () => count,
      carrier,
      settle,
      log,
    });
    run({ name: 'relay', start: relay.start, stop: relay.stop });
    await expect.poll(deliveries, { timeout: 20_000 }).toEqual([done(0)]);
  });
});
