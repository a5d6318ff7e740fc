import { sql } from 'drizzle-orm';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Database } from '../database/database.ts';
import type { Engine } from '../database/engine.ts';
import { openPlatformDatabase } from '../testing/database.ts';
import { readEventBacklog } from './backlog.ts';

let engine: Engine;
let database: Database;

beforeEach(async () => {
  ({ engine, database } = await openPlatformDatabase());
});
afterEach(() => engine.close());

/** Events of so many seconds ago, each with one delivery in this state. */
async function write(count: number, consumer: string, state: string, secondsAgo = 0): Promise<void> {
  await database.rows(sql`
    with event as (
      insert into test.outbox (id, type, stream, version, data, at)
      select (lpad(to_hex((extract(epoch from now()) * 1000)::bigint - ${secondsAgo}::int * 1000), 12, '0')
          || '7' || substr(md5(random()::text), 1, 19))::uuid,
        'test.thing.v1', 'thing:' || n || ${state}::text, 1, '{}', now() - ${secondsAgo}::int * interval '1 second'
      from generate_series(1, ${count}::int) n returning id, stream, version
    )
    insert into test.delivery (event_id, consumer, stream, version, state)
    select id, ${consumer}::text, stream, version, ${state}::text from event`);
}

describe('the backlog of events', () => {
  it('is nothing while nothing was sent', async () => {
    expect(await readEventBacklog(database)).toEqual({ pending: 0, oldestSeconds: 0, parked: new Map() });
  });

  it('counts what is not done, and tells how old the oldest of it is, parked events apart', async () => {
    await write(3, 'mail', 'done', 5_000);
    await write(1, 'mail', 'skipped', 4_000);
    await write(2, 'mail', 'parked', 3_000);
    await write(1, 'stock', 'leased', 700);
    await write(2, 'mail', 'pending', 60);
    const { pending, oldestSeconds, parked } = await readEventBacklog(database);
    expect(pending).toBe(3);
    expect(oldestSeconds).toBeGreaterThanOrEqual(700);
    expect(oldestSeconds).toBeLessThan(3_000);
    expect(parked).toEqual(new Map([['mail', 2]]));
  });

  it('is read through the index of what is not done, however much was delivered', async () => {
    await write(20_000, 'mail', 'done', 100);
    await write(20, 'mail', 'pending', 10);
    await database.rows(sql`analyze test.delivery`);
    await database.rows(sql`analyze test.outbox`);
    let plan = '';
    const explaining: Database = {
      ...database,
      async rows<Row extends object>(statement: Parameters<Database['rows']>[0]) {
        plan = JSON.stringify(await database.rows(sql`explain ${statement}`));
        return await database.rows<Row>(statement);
      },
    };
    expect((await readEventBacklog(explaining)).pending).toBe(20);
    expect(plan).toContain('delivery_open');
    expect(plan).not.toContain('Seq Scan on delivery');
    expect(plan).not.toContain('Seq Scan on outbox');
  });
});
