import type { Worker } from 'node:cluster';
import type { FromPrimary, FromWorker } from './worker-messages.ts';

export interface MetricsCollector {
  /** Takes a worker's message, if it is about metrics; the answer to a scrape follows by itself. */
  take(from: Worker, number: number, message: FromWorker): void;
}

interface Collection {
  readonly snapshots: Map<number, unknown>;
  readonly expected: number;
  finish(): void;
}

/**
 * The primary's part in a scrape, which reaches any one worker: it fetches what each worker has measured, and hands
 * all of it to the worker that was asked. A worker that does not answer within `timeoutMs` is left out.
 */
export function createMetricsCollector(
  workers: () => readonly Worker[],
  timeoutMs: number,
): MetricsCollector {
  const open = new Map<number, Collection>();
  let collections = 0;

  function collect(asker: Worker, scrape: number): void {
    const collection = ++collections;
    const asked = workers().filter((worker) => tell(worker, { type: 'measure', collection }));
    const snapshots = new Map<number, unknown>();
    const finish = () => {
      clearTimeout(timer);
      open.delete(collection);
      tell(asker, { type: 'scraped', scrape, snapshots });
    };
    const timer = setTimeout(finish, timeoutMs);
    open.set(collection, { snapshots, expected: asked.length, finish });
  }

  return {
    take(from, number, message) {
      if (message.type === 'scrape') collect(from, message.scrape);
      if (message.type !== 'measured') return;
      // A late answer belongs to a collection that is closed.
      const collection = open.get(message.collection);
      if (collection === undefined) return;
      collection.snapshots.set(number, message.snapshot);
      if (collection.snapshots.size === collection.expected) collection.finish();
    },
  };
}

/** Whether the worker could be told; one that is ending cannot. */
function tell(worker: Worker, message: FromPrimary): boolean {
  if (!worker.isConnected()) return false;
  // Without a callback a channel that closes in this moment would raise an error event.
  worker.process.send(message, undefined, undefined, () => undefined);
  return true;
}
