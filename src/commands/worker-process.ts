import cluster from 'node:cluster';
import type { FromWorker } from './worker-messages.ts';

/** Whether this process is one of several that `runWorkers` started. */
export const isWorker = cluster.isWorker;

/** Whether this process is the first of them, or the only one. */
export const isFirst = cluster.worker === undefined || cluster.worker.id === 1;

export function tellPrimary(message: FromWorker): void {
  // With a callback, so that a primary that dies in this moment raises no error: Node ends this process then.
  process.send?.(message, undefined, undefined, () => undefined);
}

/** Lets go of the channel to the primary, which would keep this process alive. */
export function leavePrimary(): void {
  cluster.worker?.disconnect();
}
