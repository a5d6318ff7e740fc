import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { sleep } from '../src/deadline.ts';
import type { PostgresServer } from '../src/testing/servers/postgres-server.ts';
import type { Cluster } from './cluster.ts';
import { type Fault, pickNumber } from './fault.ts';
import type { Load } from './load.ts';
import { mountSmallDisk, type SmallDisk } from './small-disk.ts';
import { underLoad } from './under-load.ts';

/** Postgres, its log of some files of 16 MB, and what a full run orders. */
const DISK_MB = 512;
const settings = { min_wal_size: '32MB', max_wal_size: '64MB' };
/** Until pages and log files at hand are used up; the log has up to 64 MB of them. */
const FELT_MS = 30_000;
/** More than lie ready. */
const LOG_FILES = 8;
const REFILL_MS = 100;
/** From the moment there is space again: Postgres may have to be started and to recover first. */
const RECOVERED_MS = 60_000;
const SUPERVISE_MS = 1_000;
/** Orders between two times. */
const TRADE = 20;

/** Fills the disk under Postgres, again and again, while orders go on. */
export const fault: Fault = {
  number: 9,
  name: 'full-disk',
  async run(context) {
    const { short, random } = context;
    const times = short ? 5 : 25;
    const disk = mountSmallDisk(DISK_MB);
    try {
      return await underLoad(context, {
        cluster: { postgres: { dataDir: join(disk.folder, 'data'), settings } },
        load: { ordersPerSecond: short ? 60 : 40 },
        async inject({ cluster, load }, say) {
          const supervisor = superviseDatabase(cluster.postgres);
          const problems: string[] = [];
          const recoveries: number[] = [];
          let felt = 0;
          let refused = 0;
          try {
            for (let time = 1; time <= times; time += 1) {
              say(`disk full for the ${time}. time of ${times}`);
              const seen = load.attempts.length;
              disk.fill();
              if (time % 2 === 0) await useUpLog(cluster);
              if (await keepFull(disk, load, pickNumber(random, 2_000, short ? 3_000 : 6_000))) felt += 1;
              const answers = load.attempts.slice(seen);
              refused += answers.filter(({ outcome }) => outcome.startsWith('503')).length;
              const tookMs = await recover(disk, load);
              if (tookMs === undefined)
                problems.push(`no order was acknowledged in ${RECOVERED_MS} ms after there was space again`);
              else recoveries.push(tookMs);
            }
          } finally {
            disk.free();
            await supervisor.stop();
          }
          if (felt < times)
            problems.push(`of ${times} times the disk was full, orders felt it ${felt} times`);
          const log = readFileSync(join(cluster.postgres.folder, 'server.log'), 'utf8');
          const count = (pattern: RegExp) => log.match(pattern)?.length ?? 0;
          return {
            injected: times,
            problems,
            notes: [
              `${refused} requests were answered 503 meanwhile`,
              `Postgres said ${count(/No space left on device/g)} times that there is no space, of these ${count(/PANIC: {2}/g)} were panics`,
              `it was started ${supervisor.starts} times`,
              `orders again at most ${Math.round(Math.max(0, ...recoveries))} ms after there was space`,
            ],
          };
        },
      });
    } finally {
      disk.remove();
    }
  },
};

/** Keeps the disk full until orders feel it, and some time longer; false when none did. */
async function keepFull(disk: SmallDisk, load: Load, longerMs: number): Promise<boolean> {
  const seen = load.attempts.length;
  const isFelt = () => load.attempts.slice(seen).some(({ outcome }) => outcome.startsWith('503'));
  let endsAt = performance.now() + FELT_MS;
  let felt = false;
  while (performance.now() < endsAt) {
    // Postgres removes files of its own now and then.
    disk.fill();
    await sleep(REFILL_MS);
    if (!felt && isFelt()) {
      felt = true;
      endsAt = performance.now() + longerMs;
    }
  }
  return felt;
}

/**
 * Has Postgres use up the files of its log that lie ready, as an hour of trade would: unlike a table, the log cannot do
 * without its next one, and Postgres crashes.
 */
async function useUpLog(cluster: Cluster): Promise<void> {
  await cluster
    .query(async (sql) => {
      for (let file = 0; file < LOG_FILES; file += 1) {
        await sql`select pg_logical_emit_message(false, 'faults', 'full')`;
        await sql`select pg_switch_wal()`;
      }
    })
    // Its crash ends this session too.
    .catch(() => undefined);
}

/** Makes space; how long it took until an order was acknowledged again, undefined when it took too long. */
async function recover(disk: SmallDisk, load: Load): Promise<number | undefined> {
  disk.free();
  const freedMs = performance.now();
  const given = new AbortController();
  const reached = load.reached(load.acknowledged + 3).then(() => performance.now() - freedMs);
  const inTime = await Promise.race([reached, sleep(RECOVERED_MS, given.signal).then(() => undefined)]);
  given.abort();
  // The next time is to meet a shop that trades again, and not one that is still coming back.
  if (inTime !== undefined) await load.reached(load.acknowledged + TRADE);
  return inTime;
}

/** Starts Postgres again whenever it has ended, as whoever runs one does: without space it may give up for good. */
function superviseDatabase(postgres: PostgresServer) {
  let starts = 0;
  let stopping = false;
  async function supervise(): Promise<void> {
    while (!stopping || postgres.pid === undefined) {
      if (postgres.pid === undefined) {
        starts += 1;
        await postgres.start().catch(() => undefined);
      }
      await sleep(SUPERVISE_MS);
    }
  }
  const running = supervise();
  return {
    get starts() {
      return starts;
    },
    async stop() {
      stopping = true;
      await running;
    },
  };
}
