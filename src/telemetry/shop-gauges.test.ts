import { Registry } from 'prom-client';
import { expect, it } from 'vitest';
import type { Backlog } from '../host.ts';
import type { Queues } from '../redis/queues.ts';
import { readMetrics } from './read-metrics.ts';
import { tellBacklogs, tellProcess } from './shop-gauges.ts';

const away = () => Promise.reject(new Error('away'));
const backlog: Backlog = {
  events: { pending: 3, oldestSeconds: 7, parked: new Map([['mail', 2]]) },
  sagas: undefined,
};

async function told(registry: Registry): Promise<string[]> {
  return readMetrics(await registry.metrics()).map(
    ({ name, labels, value }) => `${name}{${Object.values(labels).join()}} ${value}`,
  );
}

it('what cannot be read is left out of a scrape, and all else is told', async () => {
  const registry = new Registry();
  const modules = [
    { name: 'shelf', consumers: ['mail', 'till'], backlog: async () => backlog },
    { name: 'till', consumers: ['shelf'], backlog: away },
  ];
  const count: Queues['count'] = (module) =>
    module === 'till' ? away() : Promise.resolve({ waiting: 1, active: 2, delayed: 3, failed: 0 });
  tellBacklogs(registry, modules, { count } as Queues);
  expect(await told(registry)).toEqual([
    'banyan_outbox_pending{shelf} 3',
    'banyan_outbox_oldest_seconds{shelf} 7',
    'banyan_deliveries_parked{shelf,mail} 2',
    'banyan_deliveries_parked{shelf,till} 0',
    'banyan_queue_jobs{shelf,waiting} 1',
    'banyan_queue_jobs{shelf,active} 2',
    'banyan_queue_jobs{shelf,delayed} 3',
    'banyan_queue_jobs{shelf,failed} 0',
  ]);
});

it('a process without a database, a folder or Redis tells whether it is ready, and nothing of those', async () => {
  const registry = new Registry();
  const engines = { pools: () => new Map() };
  const redis = undefined;
  tellProcess(registry, { dataDir: '/nowhere/at/all', engines, redis, isReady: async () => true });
  const parts = (await told(registry)).filter((line) =>
    /_(ready|database_\w+|disk_\w+|redis_up)\{/.test(line),
  );
  expect(parts).toEqual(['banyan_ready{} 1']);
});
