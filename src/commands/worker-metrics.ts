import { withDeadline } from '../deadline.ts';
import { createMetrics, type Metrics, type MetricsSnapshot, renderTogether } from '../http/metrics.ts';
import { METRICS_ANSWER_MS } from '../limits.ts';
import type { FromPrimary } from './worker-messages.ts';
import { tellPrimary } from './worker-process.ts';

/**
 * The metrics of one worker among several. It tells them to the primary when asked, and renders those of all
 * workers, which takes the primary; rendering rejects with `timeout` (unavailable) when that does not answer.
 */
export function createWorkerMetrics(): Metrics {
  const own = createMetrics();
  const scrapes = new Map<number, (snapshots: ReadonlyMap<number, MetricsSnapshot>) => void>();
  let scraped = 0;

  process.on('message', (message: FromPrimary) => {
    if (message.type === 'measure') void tellMeasured(message.collection);
    else scrapes.get(message.scrape)?.(message.snapshots as ReadonlyMap<number, MetricsSnapshot>);
  });

  async function tellMeasured(collection: number): Promise<void> {
    tellPrimary({ type: 'measured', collection, snapshot: await own.registry.getMetricsAsJSON() });
  }

  return {
    ...own,
    async render() {
      const scrape = ++scraped;
      const { promise, resolve } = Promise.withResolvers<ReadonlyMap<number, MetricsSnapshot>>();
      scrapes.set(scrape, resolve);
      try {
        tellPrimary({ type: 'scrape', scrape });
        return await renderTogether(await withDeadline(promise, METRICS_ANSWER_MS, 'the primary'));
      } finally {
        scrapes.delete(scrape);
      }
    },
  };
}
