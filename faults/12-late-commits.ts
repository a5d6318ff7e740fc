import { randomUUID } from 'node:crypto';
import type postgres from 'postgres';
import { uuidv7 } from 'uuidv7';
import { sleep } from '../src/deadline.ts';
import type { Cluster } from './cluster.ts';
import { type Fault, pick, pickNumber } from './fault.ts';
import { schemas } from './settle.ts';
import { underLoad } from './under-load.ts';
import { waitFor } from './wait-for.ts';

const RELAYS = 4;
/** As long as the table of faults says; thousands of later ids are committed and delivered meanwhile. */
const HOLD_MS = 10_000;
const EVENTS_AT_ONCE = 3;
/** From its commit; a relay that is told of nothing looks every second. */
const DELIVERED_MS = 60_000;

/**
 * Four relays read the outboxes while transactions that wrote events with low ids stay open for ten seconds, several at a
 * time. Whoever read on from the highest id seen would never see them.
 */
export const fault: Fault = {
  number: 12,
  name: 'late-commits',
  run(context) {
    const { short, random } = context;
    const times = short ? 5 : 30;
    const late: string[] = [];
    return underLoad(context, {
      cluster: { http: 2, workers: RELAYS },
      load: { ordersPerSecond: short ? 50 : 25 },
      async inject({ cluster }, say) {
        const held: Promise<string[]>[] = [];
        const before = await countEvents(cluster);
        for (let time = 1; time <= times; time += 1) {
          held.push(holdEvents(cluster, random));
          say(`transaction ${time} of ${times} is held open for ${HOLD_MS} ms`);
          await sleep(pickNumber(random, 1_000, short ? 2_000 : 4_000));
        }
        late.push(...(await Promise.all(held)).flat());
        const committedMs = performance.now();
        await waitFor(DELIVERED_MS, 'the events that were committed late', async () =>
          cluster.query(async (sql) => (await findOpen(sql, late)).length === 0),
        );
        const tookMs = performance.now() - committedMs;
        const overtook = (await countEvents(cluster)) - before - late.length;
        return {
          injected: times,
          notes: [
            `${late.length} events with low ids committed ${HOLD_MS} ms late, ${overtook} others overtook them`,
            `all delivered ${Math.round(tookMs)} ms after the last commit`,
          ],
        };
      },
      async inspect({ cluster }) {
        return { problems: await cluster.query((sql) => findSkipped(sql, late)) };
      },
    });
  },
};

/**
 * Writes some events as the order module would, and commits ten seconds later; resolves with their ids. They tell of
 * parcels of orders that nobody knows, which is enough for a mail.
 */
async function holdEvents(cluster: Cluster, random: () => number): Promise<string[]> {
  const parcels = Array.from({ length: EVENTS_AT_ONCE }, () => ({ id: uuidv7(), to: random() }));
  await cluster.query(async (sql) => {
    const buyers = await sql<{ id: string }[]>`
      select account_id as id from users.person where username like 'buyer-%' order by username`;
    await sql.begin(async (tx) => {
      await tx`set local role shop_order`;
      for (const { id, to } of parcels) {
        const orderId = randomUUID();
        const parcel = { trackingNumber: `LATE-${orderId.slice(0, 8)}`, carrier: null };
        const data = {
          orderId,
          userId: pick(() => to, buyers).id,
          number: `late-${id.slice(-6)}`,
          ...parcel,
        };
        const stream = `order:${orderId}`;
        await tx`insert into orders.outbox (id, type, stream, version, data)
          values (${id}, 'order.shipped.v1', ${stream}, 1, ${tx.json(data)})`;
        await tx`insert into orders.delivery (event_id, consumer, stream, version)
          values (${id}, 'notification', ${stream}, 1)`;
      }
      await sleep(HOLD_MS);
    });
  });
  return parcels.map(({ id }) => id);
}

async function findOpen(sql: postgres.Sql, ids: readonly string[]): Promise<string[]> {
  const rows = await sql<{ id: string }[]>`
    select event_id as id from orders.delivery where event_id = any(${[...ids]}) and state <> 'done'`;
  return rows.map(({ id }) => id);
}

async function countEvents(cluster: Cluster): Promise<number> {
  return await cluster.query(async (sql) => {
    const counts = schemas.map((schema) => `(select count(*) from ${schema}.outbox)`);
    const [row] = await sql.unsafe<{ count: number }[]>(`select (${counts.join(' + ')})::int as count`);
    return row?.count ?? 0;
  });
}

/** What the general verdict does not see: that each of these events became its mail. */
async function findSkipped(sql: postgres.Sql, ids: readonly string[]): Promise<string[]> {
  const mails = await sql<{ id: string }[]>`
    select id from notifications.mail where id = any(${[...ids]}) and state = 'sent'`;
  const sent = new Set(mails.map(({ id }) => id));
  const skipped = ids.filter((id) => !sent.has(id));
  return skipped.map((id) => `event ${id}, whose transaction was held open, was skipped: it has no mail`);
}
