import { statfs } from 'node:fs/promises';
import { totalmem } from 'node:os';
import type { Gauge, Registry } from 'prom-client';
import type { Engines } from '../database/engines.ts';
import type { Backlog, HostedModule } from '../host.ts';
import type { Queues } from '../redis/queues.ts';
import type { Redis } from '../redis/redis.ts';
import { platformMetrics } from './catalogue.ts';
import { counterOf, gaugeOf, type MetricSpec } from './instruments.ts';
import { createLatest } from './latest.ts';

/** Lets each scrape tell how a process stands: whether it is ready, its pools, its disk, and Redis if it has one. */
export function tellProcess(
  registry: Registry,
  process: {
    dataDir: string;
    engines: Pick<Engines, 'pools'>;
    redis: Redis | undefined;
    /** Whether it is ready; ends in the time of a health check. */
    isReady(): Promise<boolean>;
  },
): void {
  let wasReady = false;
  const look = createLatest(async () => {
    wasReady = await process.isReady();
  });
  gaugeOf(registry, platformMetrics.ready, async (gauge) => {
    // A check that takes longer than a scrape may is told by the next one: a slow database is no reason to be down.
    await look();
    gauge.set(wasReady ? 1 : 0);
  });
  tellPools(registry, process.engines);
  tellMemory(registry);
  tellDisk(registry, process.dataDir);
  const { redis } = process;
  if (redis) gaugeOf(registry, platformMetrics.redisUp, (gauge) => gauge.set(redis.available ? 1 : 0));
}

function tellPools(registry: Registry, engines: Pick<Engines, 'pools'>): void {
  gaugeOf(registry, platformMetrics.databaseConnections, (gauge) => {
    for (const [module, { busy, idle }] of engines.pools()) {
      gauge.set({ module, state: 'busy' }, busy);
      gauge.set({ module, state: 'idle' }, idle);
    }
  });
  gaugeOf(registry, platformMetrics.databaseConnectionsMax, (gauge) => {
    for (const [module, { max }] of engines.pools()) gauge.set({ module }, max);
  });
  gaugeOf(registry, platformMetrics.databaseWaiting, (gauge) => {
    for (const [module, { waiting }] of engines.pools()) gauge.set({ module }, waiting);
  });
  counterOf(registry, platformMetrics.databaseRefused, (counter) => {
    for (const [module, { refused }] of engines.pools()) counter.inc({ module }, refused);
  });
}

/** Of a group without a limit the system tells none, or one beyond all memory. */
function tellMemory(registry: Registry): void {
  gaugeOf(registry, platformMetrics.memoryLimit, (gauge) => {
    gauge.set(Math.min(process.constrainedMemory() || Number.POSITIVE_INFINITY, totalmem()));
  });
}

/** A folder that is not there, as a process without the embedded database may have none, is left out. */
function tellDisk(registry: Registry, folder: string): void {
  const place = 'data';
  const read = createLatest(() => statfs(folder));
  gaugeOf(registry, platformMetrics.diskFree, async (gauge) => {
    const disk = await read();
    if (disk) gauge.set({ place }, disk.bavail * disk.bsize);
  });
  gaugeOf(registry, platformMetrics.diskSize, async (gauge) => {
    const disk = await read();
    if (disk) gauge.set({ place }, disk.blocks * disk.bsize);
  });
}

/**
 * Lets each scrape of a worker tell what waits for the workers of its modules. While the database or Redis is away
 * that is left out. All workers of a module tell the same.
 */
export function tellBacklogs(
  registry: Registry,
  modules: readonly Pick<HostedModule, 'name' | 'consumers' | 'backlog'>[],
  queues: Queues | undefined,
): void {
  const backlogs = modules.map(({ name, consumers, backlog }) => ({
    module: name,
    consumers,
    read: createLatest(backlog),
  }));

  function tell<Label extends string>(
    spec: MetricSpec<'gauge', Label>,
    set: (
      gauge: Gauge<Label>,
      backlog: Backlog,
      of: { module: string; consumers: readonly string[] },
    ) => void,
  ): void {
    gaugeOf(registry, spec, async (gauge) => {
      await each(backlogs, async ({ read, ...of }) => {
        const backlog = await read();
        if (backlog) set(gauge, backlog, of);
      });
    });
  }

  const { outboxPending, outboxOldest, deliveriesParked, sagasOpen, sagaOldest } = platformMetrics;
  tell(outboxPending, (gauge, { events }, { module }) => gauge.set({ module }, events.pending));
  tell(outboxOldest, (gauge, { events }, { module }) => gauge.set({ module }, events.oldestSeconds));
  tell(deliveriesParked, (gauge, { events: { parked } }, { module, consumers }) => {
    for (const consumer of consumers) gauge.set({ module, consumer }, parked.get(consumer) ?? 0);
  });
  tell(sagasOpen, (gauge, { sagas }, { module }) => {
    if (sagas) gauge.set({ module }, sagas.open);
  });
  tell(sagaOldest, (gauge, { sagas }, { module }) => {
    if (sagas) gauge.set({ module }, sagas.oldestSeconds);
  });

  if (queues === undefined) return;
  const counts = modules.map(({ name }) => ({ queue: name, read: createLatest(() => queues.count(name)) }));
  gaugeOf(registry, platformMetrics.queueJobs, async (gauge) => {
    await each(counts, async ({ queue, read }) => {
      for (const [state, count] of Object.entries((await read()) ?? {})) gauge.set({ queue, state }, count);
    });
  });
}

async function each<T>(items: readonly T[], tell: (item: T) => Promise<void>): Promise<void> {
  await Promise.all(items.map(tell));
}
