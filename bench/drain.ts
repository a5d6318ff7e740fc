import { describeWork, openWork } from '../faults/settle.ts';
import { sleep } from '../src/deadline.ts';
import type { Servers } from './stack.ts';

const LOOK_MS = 50;
const PATIENCE_MS = 120_000;

/**
 * Waits until the shop has nothing under way any more: no event, no saga, no mail. What one load leaves behind would
 * slow down the next. Resolves with how long that took, in seconds; rejects when it takes 2 minutes.
 */
export async function drain(servers: Servers, databaseUrl: string): Promise<number> {
  const startedMs = performance.now();
  return await servers.query(databaseUrl, async (sql) => {
    for (;;) {
      const left = await openWork(sql);
      const tookMs = performance.now() - startedMs;
      if (Object.keys(left).length === 0) return tookMs / 1_000;
      if (tookMs > PATIENCE_MS) throw new Error(`still under way after 2 minutes: ${describeWork(left)}`);
      await sleep(LOOK_MS);
    }
  });
}
