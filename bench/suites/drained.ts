import { sleep } from '../../src/deadline.ts';
import type { Servers } from '../stack.ts';
import { countUndelivered } from './event-lag.ts';

const DRAINED_MS = 120_000;
const LOOK_MS = 100;

/** Resolves when every event in the database is delivered; rejects when some are not in two minutes. */
export async function drained(servers: Servers, databaseUrl: string): Promise<void> {
  const endsAt = performance.now() + DRAINED_MS;
  await servers.query(databaseUrl, async (sql) => {
    for (;;) {
      const left = await countUndelivered(sql);
      if (left === 0) return;
      if (performance.now() > endsAt)
        throw new Error(`${left} deliveries are still open after ${DRAINED_MS} ms`);
      await sleep(LOOK_MS);
    }
  });
}
