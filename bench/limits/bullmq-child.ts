import { Queue, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import { QUEUE_CONCURRENCY } from '../../src/limits.ts';

/** Jobs of one run, and how many are added at a time. */
const JOBS = 10_000;
const ADDING = 32;

const [url = ''] = process.argv.slice(2);
const connect = () => new Redis(url, { maxRetriesPerRequest: null });
const queue = new Queue('bench', { connection: connect() });
let left = 0;
let onDone: () => void = () => undefined;
const worker = new Worker('bench', async () => undefined, {
  connection: connect(),
  // As the shop's own workers.
  concurrency: QUEUE_CONCURRENCY,
  removeOnComplete: { count: 0 },
});
worker.on('completed', () => {
  left -= 1;
  if (left === 0) onDone();
});
await worker.waitUntilReady();

process.on('message', async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  left = JOBS;
  onDone = resolve;
  let toAdd = JOBS;
  const startedMs = performance.now();
  const add = async () => {
    while (toAdd > 0) {
      toAdd -= 1;
      await queue.add('job', { id: toAdd });
    }
  };
  await Promise.all(Array.from({ length: ADDING }, add));
  await promise;
  process.send?.(JOBS / ((performance.now() - startedMs) / 1_000));
});
process.once('disconnect', () => process.exit());
process.send?.(0);
