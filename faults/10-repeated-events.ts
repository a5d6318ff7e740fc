import { Queue } from 'bullmq';
import type postgres from 'postgres';
import { shopIdOf } from '../src/redis/shop-id.ts';
import type { Cluster } from './cluster.ts';
import { type Fault, pickNumber } from './fault.ts';
import { schemas } from './settle.ts';
import { underLoad } from './under-load.ts';
import { waitFor } from './wait-for.ts';

/** An event of the log with one of its consumers, which has handled it or does so now. */
interface Handled {
  readonly event: { readonly id: string };
  readonly consumer: string;
  readonly producer: string;
}

/** Sent to Redis in one go; a round of a long run has tens of thousands. */
const BATCH = 500;
/** Some thousand jobs wait behind each other in a queue. */
const DRAINED_MS = 300_000;

/**
 * Delivers every event again, 1 to 5 times and shuffled, through the consumers' own queues, while orders go on; at last
 * sends the whole log again in that way, and once more by making all its deliveries due, so that the relays send it
 * in order.
 */
export const fault: Fault = {
  number: 10,
  name: 'repeated-events',
  run(context) {
    const { short, random } = context;
    const rounds = short ? 4 : 12;
    return underLoad(context, {
      load: { ordersPerSecond: short ? 60 : 25 },
      async inject({ cluster, load }, say) {
        const repeat = await createRepeater(cluster, random);
        try {
          let repeated = 0;
          let seen = new Set<string>();
          for (let round = 1; round <= rounds; round += 1) {
            await load.reached(load.acknowledged + (short ? 60 : 100));
            const handled = await readHandled(cluster);
            const fresh = handled.filter((each) => !seen.has(keyOf(each)));
            seen = new Set(handled.map(keyOf));
            repeated += await repeat.shuffled(fresh);
            say(`round ${round} of ${rounds}, ${repeated} deliveries repeated`);
          }
          const log = await readHandled(cluster);
          say(`sending the whole log again, ${log.length} deliveries`);
          repeated += await repeat.shuffled(log);
          await repeat.drained();
          const { due, at } = await makeAllDue(cluster);
          await waitFor(DRAINED_MS, 'the relays to send the whole log again', async () => {
            const left = await countOpen(cluster, at);
            say(`relaying the whole log again, ${left} deliveries to go`);
            return left === 0;
          });
          return {
            injected: repeated + due,
            notes: [
              `${repeated} deliveries repeated through the queues`,
              `${due} sent again by the relays, half of them as second tries`,
            ],
          };
        } finally {
          await repeat.close();
        }
      },
      async inspect({ cluster }) {
        return { problems: await cluster.query(compareInboxes) };
      },
    });
  },
};

function keyOf({ event, consumer }: Handled): string {
  return `${event.id} ${consumer}`;
}

/** Puts jobs into the queues of a running shop, just as its own processes do. */
async function createRepeater(cluster: Cluster, random: () => number) {
  const { hostname: host, port } = new URL(cluster.redis.url);
  const shopId = shopIdOf({
    database: { url: cluster.databaseUrl, moduleUrls: {}, poolMax: 20, pooler: 'none' },
    dataDir: '',
    serviceSecret: undefined,
  });
  const queues = new Map<string, Queue>();
  let sent = 0;

  function queueOf(consumer: string): Queue {
    let queue = queues.get(consumer);
    if (!queue) {
      queue = new Queue(consumer, { connection: { host, port: Number(port) }, prefix: `banyan-${shopId}` });
      queues.set(consumer, queue);
    }
    return queue;
  }

  return {
    /** Sends each 1 to 5 times, all of them shuffled; returns how many that were. */
    async shuffled(handled: readonly Handled[]): Promise<number> {
      const copies = handled.flatMap((each) => Array.from({ length: pickNumber(random, 1, 5) }, () => each));
      for (let end = copies.length - 1; end > 0; end -= 1) {
        const other = pickNumber(random, 0, end);
        [copies[end], copies[other]] = [copies[other]!, copies[end]!];
      }
      for (let start = 0; start < copies.length; start += BATCH) {
        const batch = copies.slice(start, start + BATCH);
        for (const consumer of new Set(batch.map((each) => each.consumer))) {
          const jobs = batch
            .filter((each) => each.consumer === consumer)
            .map(({ event, producer }) => ({
              name: 'event',
              data: { producer, attempts: 0, event },
              // An id of its own, or the queue itself would see that it has it already.
              opts: { jobId: `again-${sent++}`, removeOnComplete: true, removeOnFail: true },
            }));
          await queueOf(consumer).addBulk(jobs);
        }
      }
      return copies.length;
    },
    async drained(): Promise<void> {
      await waitFor(DRAINED_MS, 'the queues to be empty', async () => {
        const counts = await Promise.all(
          [...queues.values()].map((queue) => queue.getJobCountByTypes('waiting', 'prioritized', 'active')),
        );
        return counts.reduce((sum, count) => sum + count, 0) < BATCH;
      });
    },
    async close(): Promise<void> {
      await Promise.all([...queues.values()].map((queue) => queue.close()));
    },
  };
}

/**
 * Every event that a consumer has handled or is handling, as the relay would send it. What waits behind another event of
 * its stream is left out: the relay would not send it either.
 */
async function readHandled(cluster: Cluster): Promise<Handled[]> {
  return await cluster.query(async (sql) => {
    const handled: Handled[] = [];
    for (const schema of schemas) {
      const rows = await sql<(Handled['event'] & { consumer: string })[]>`
        select o.id, o.type, o.stream, o.version::int as version,
          to_char(o.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as at, o.data, o.trace, d.consumer
        from ${sql(schema)}.outbox o join ${sql(schema)}.delivery d on d.event_id = o.id
        where d.state in ('done', 'leased') order by o.id, d.consumer`;
      handled.push(
        ...rows.map(({ consumer, ...event }) => ({ event, consumer, producer: moduleOf(schema) })),
      );
    }
    return handled;
  });
}

/** Schemas are named by the plural of their module. */
function moduleOf(schema: string): string {
  return schema.replace(/s$/, '');
}

/**
 * Every other one comes as a second try, which the relays leave to the queues; the rest they hand over themselves.
 * Resolves with how many there were, and with the database's time.
 */
async function makeAllDue(cluster: Cluster): Promise<{ due: number; at: Date }> {
  return await cluster.query(async (sql) => {
    const [clock] = await sql<{ at: Date }[]>`select now() as at`;
    let due = 0;
    for (const schema of schemas) {
      const { count } = await sql`
        update ${sql(schema)}.delivery
        set state = 'pending', due_at = now(), attempts = abs(hashtext(event_id::text)) % 2
        where state = 'done'`;
      due += count;
    }
    return { due, at: clock!.at };
  });
}

/** Deliveries of events from before that time which are still to be made. */
async function countOpen(cluster: Cluster, before: Date): Promise<number> {
  return await cluster.query(async (sql) => {
    let count = 0;
    for (const schema of schemas) {
      const [row] = await sql<{ count: number }[]>`
        select count(*)::int from ${sql(schema)}.delivery d join ${sql(schema)}.outbox o on o.id = d.event_id
        where d.state in ('pending', 'leased') and o.at < ${before}`;
      count += row?.count ?? 0;
    }
    return count;
  });
}

/** No inbox holds an event that was not sent to it, or less than was. The rest is what every verdict looks at. */
async function compareInboxes(sql: postgres.Sql): Promise<string[]> {
  const problems: string[] = [];
  for (const schema of schemas) {
    const sent = schemas.map(
      (producer) =>
        `select event_id from ${producer}.delivery where consumer = '${moduleOf(schema)}' and state = 'done'`,
    );
    const [row] = await sql.unsafe<{ sent: number; taken: number }[]>(`
      select (select count(*) from (${sent.join(' union all ')}) as sent)::int as sent,
        (select count(*) from ${schema}.inbox)::int as taken`);
    if (row && row.sent !== row.taken)
      problems.push(`${row.sent} events were sent to ${schema}, and its inbox holds ${row.taken}`);
  }
  return problems;
}
