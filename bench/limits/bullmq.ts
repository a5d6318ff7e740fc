import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Bench } from '../suite.ts';

/** BullMQ by itself, in a process of its own. */
export interface BullmqLimit {
  /** Jobs a second that are added and worked off meanwhile, with nothing in them. */
  rate(): Promise<number>;
}

/** It ends with the suite. */
export async function startBullmq(bench: Bench, redisUrl: string): Promise<BullmqLimit> {
  const child = fork(join(import.meta.dirname, 'bullmq-child.ts'), [redisUrl], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  bench.atEnd(() => child.kill('SIGKILL'));
  const ended = new AbortController();
  child.once('exit', () => ended.abort(new Error('the process with BullMQ died')));
  const heard = async () => (await once(child, 'message', { signal: ended.signal })) as [number];
  await heard();
  return {
    async rate() {
      child.send('run');
      const [rate] = await heard();
      return rate;
    },
  };
}
