import { type Job, Queue, Worker } from 'bullmq';
import { withDeadline } from '../deadline.ts';
import type { Part } from '../lifecycle.ts';
import {
  QUEUE_CONCURRENCY,
  QUEUE_LOCK_MS,
  QUEUE_RENEW_MS,
  QUEUE_STALLS,
  QUEUE_STOP_MS,
  REDIS_TIMEOUT_MS,
} from '../limits.ts';
import type { Logger } from '../telemetry/log.ts';
import { type Redis, redisAway } from './redis.ts';

/** A job to be done by any worker of a module. */
export interface QueuedJob {
  /** Which handler takes it. */
  readonly name: string;
  /** While a job of this id waits or runs, another one is ignored. No colon, and not digits alone. */
  readonly id: string;
  readonly data: object;
}

/** Delayed: schedules that wait for their time. Nothing that ended is kept, so `failed` counts what was kept by hand. */
export type QueueState = 'waiting' | 'active' | 'delayed' | 'failed';

/** By job name. `data` came over the wire, perhaps from another version. A rejection is logged; nothing is repeated. */
export type QueueHandlers = Readonly<Record<string, (data: unknown) => Promise<void>>>;

/**
 * A BullMQ queue for each module, by which processes hand each other work. It only carries: what has to be done is
 * a row in Postgres, from which it is sent again should Redis lose it.
 */
export interface Queues {
  readonly available: boolean;
  /** Rejects with `redis_away` (unavailable) when Redis did not take the job in time; it may have, unheard. */
  send(module: string, job: QueuedJob): Promise<void>;
  /** Works on a module's queue from its start until its stop. */
  worker(module: string, handlers: QueueHandlers): Part;
  /** How many jobs are in a module's queue. Rejects as `send` does. */
  count(module: string): Promise<Readonly<Record<QueueState, number>>>;
  /** Sends `job` to the module again and again; whichever worker is free takes it. */
  repeat(module: string, job: Omit<QueuedJob, 'data'>, everyMs: number): Part;
  close(): Promise<void>;
}

const NOTHING_KEPT = { removeOnComplete: true, removeOnFail: true } as const;

export function createQueues(redis: Redis, shopId: string, log: Logger): Queues {
  const prefix = `banyan-${shopId}`;
  const queues = new Map<string, Queue>();
  const sending = redis.connect({
    enableOfflineQueue: false,
    commandTimeout: REDIS_TIMEOUT_MS,
    maxRetriesPerRequest: 0,
  });

  function queueOf(module: string): Queue {
    const known = queues.get(module);
    if (known) return known;
    const queue = new Queue(module, {
      connection: sending,
      prefix,
      skipWaitingForReady: true,
      // BullMQ keeps 10,000 events for listeners unless told otherwise; nobody listens.
      streams: { events: { maxLen: 100 } },
    });
    queue.on('error', () => undefined);
    queues.set(module, queue);
    return queue;
  }

  /** BullMQ waits for a connection without end, so it is asked only while there is one, and for so long. */
  async function ask<T>(work: () => Promise<T>): Promise<T> {
    if (!redis.available || sending.status !== 'ready') {
      throw redisAway();
    }
    try {
      return await withDeadline(work(), REDIS_TIMEOUT_MS, 'Redis');
    } catch (error) {
      throw redisAway(error);
    }
  }

  return {
    get available() {
      return redis.available;
    },
    async send(module, { name, id, data }) {
      await ask(() => queueOf(module).add(name, data, { jobId: id, ...NOTHING_KEPT }));
    },
    async count(module) {
      const counts = await ask(() => queueOf(module).getJobCounts('wait', 'active', 'delayed', 'failed'));
      const { wait = 0, active = 0, delayed = 0, failed = 0 } = counts;
      return { waiting: wait, active, delayed, failed };
    },
    worker(module, handlers) {
      let worker: Worker | undefined;
      return {
        name: `${module} queue`,
        start() {
          worker = new Worker(module, (job) => handle(handlers, job), {
            // Commands wait for Redis to come back: this connection has nothing else to do.
            connection: redis.connect({ maxRetriesPerRequest: null }),
            prefix,
            concurrency: QUEUE_CONCURRENCY,
            lockDuration: QUEUE_LOCK_MS,
            maxStalledCount: QUEUE_STALLS,
            removeOnComplete: { count: 0 },
            removeOnFail: { count: 0 },
          });
          worker.on('error', (error) => log.debug({ module, reason: error.message }, 'queue worker'));
          worker.on('failed', (job, error) =>
            log.error({ err: error, module, job: job?.name }, 'job failed'),
          );
        },
        async stop() {
          // It has no deadline of its own, and would wait for a Redis that is away. What it leaves is cut off with
          // the connections.
          const closing = Promise.resolve(worker?.close(!redis.available));
          await withDeadline(closing, QUEUE_STOP_MS, `${module} queue`).catch(() => undefined);
        },
      };
    },
    repeat(module, { name, id }, everyMs) {
      let renewing: NodeJS.Timeout | undefined;
      const renew = () => {
        ask(() =>
          queueOf(module).upsertJobScheduler(
            id,
            { every: everyMs },
            { name, data: { id }, opts: NOTHING_KEPT },
          ),
        ).catch((error: unknown) => log.debug({ err: error, module, id }, 'schedule not renewed'));
      };
      redis.onBack(() => {
        if (renewing) renew();
      });
      return {
        name: `${module} schedule ${id}`,
        start() {
          renewing = setInterval(renew, QUEUE_RENEW_MS);
          renew();
        },
        stop() {
          clearInterval(renewing);
          renewing = undefined;
        },
      };
    },
    async close() {
      const closing = Promise.all([...queues.values()].map((queue) => queue.close()));
      await withDeadline(closing, REDIS_TIMEOUT_MS, 'queues').catch(() => undefined);
    },
  };

  async function handle(handlers: QueueHandlers, job: Job): Promise<void> {
    const handler = handlers[job.name];
    if (handler) await handler(job.data);
    // As a newer version may send while processes are being replaced: its row is offered again later.
    else log.warn({ job: job.name }, 'a job that this version does not know was dropped');
  }
}
