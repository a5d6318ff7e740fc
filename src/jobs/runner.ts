import { sql } from 'drizzle-orm';
import { currentContext } from '../context.ts';
import type { Database } from '../database/database.ts';
import { jsonRows } from '../database/sql.ts';
import { backoffMs, sleep } from '../deadline.ts';
import { AppError, invariant, isUnavailable } from '../errors.ts';
import { JOB_ATTEMPTS, JOB_ERRORS, JOB_LEASE_MS, JOB_POLL_MS } from '../limits.ts';
import type { Logger } from '../telemetry/log.ts';
import { enter, nameFailure, type Span } from '../telemetry/trace.ts';
import { formatTrace, parseTrace } from '../telemetry/trace-context.ts';
import type { Job, JobHandler, Jobs, RunOutcome } from './jobs.ts';

interface HeldJob {
  id: string;
  kind: string;
  input: unknown;
  done: number;
  attempts: number;
  fence: number;
  trace: string | null;
}

export interface JobRunner {
  readonly jobs: Jobs;
  register(handlers: Readonly<Record<string, JobHandler<never>>>): void;
  /** Runs due jobs one after the other until none is left; how many there were. */
  drain(): Promise<number>;
  /** Rises whenever it gets something done: it has looked for jobs, or one has made progress. */
  readonly turns: number;
  start(): void;
  stop(): Promise<void>;
  freeLeases(): Promise<void>;
}

/**
 * Runs one module's jobs from their rows. A running job holds a lease that its progress renews; when its process
 * dies, another run resumes it from the progress that was committed.
 */
export function createJobRunner(options: {
  database: Database;
  log: Logger;
  /** Called after the commit that queued a job; another process may be the one that runs it. */
  onQueued?: (id: string) => void;
  /** Told of each run that has ended; its kind is undefined when nothing here handles it. */
  onEnd?: (kind: string | undefined, outcome: RunOutcome) => void;
}): JobRunner {
  const { database, log } = options;
  const table = sql`${sql.identifier(database.schema)}.job`;
  const lease = sql`now() + ${JOB_LEASE_MS}::int * interval '1 millisecond'`;
  const handlers = new Map<string, JobHandler>();
  const stopping = new AbortController();
  let loop: Promise<void> | undefined;
  let wake: () => void = () => {};
  let turns = 0;

  async function claim(): Promise<HeldJob | undefined> {
    const [job] = await database.rows<HeldJob>(sql`
      update ${table} set state = 'running', fence = fence + 1, attempts = attempts + 1, due_at = ${lease},
        updated_at = now()
      where id = (
        select id from ${table} where state in ('queued', 'running') and due_at <= now()
        order by due_at limit 1 for update skip locked)
      returning id, kind, input, done, attempts, fence, trace`);
    turns += 1;
    return job;
  }

  async function run(job: HeldJob, span: Span): Promise<void> {
    const handler = handlers.get(job.kind);
    const tell = (outcome: RunOutcome) => options.onEnd?.(handler && job.kind, outcome);
    const mine = sql`id = ${job.id} and fence = ${job.fence} and state = 'running'`;
    try {
      invariant(handler, `job kind ${job.kind} has a handler`);
      await handler({
        id: job.id,
        input: job.input,
        done: job.done,
        async progress(tx, change) {
          const errors = jsonRows(change.errors ?? []);
          const rows = await tx.rows(sql`
            update ${table} set done = ${change.done}::int, total = coalesce(${change.total ?? null}::int, total),
              errors = case when jsonb_array_length(errors) < ${JOB_ERRORS}::int then errors || ${errors} else errors end,
              due_at = ${lease}, attempts = 1, updated_at = now()
            where ${mine} returning id`);
          if (rows.length === 0)
            throw new AppError('conflict', 'job_taken_over', `job ${job.id} runs elsewhere`);
          turns += 1;
        },
      });
      await database.rows(sql`update ${table} set state = 'done', updated_at = now() where ${mine}`);
      tell('done');
    } catch (error) {
      span.fail(nameFailure(error));
      // An outage is over some time, and whoever started the job was promised that it gets done.
      const mayPass = isUnavailable(error);
      const failed = job.attempts >= JOB_ATTEMPTS && !mayPass;
      tell(failed ? 'failed' : 'retried');
      log.error(
        { err: error, jobId: job.id, kind: job.kind, attempts: job.attempts },
        'job stopped with an error',
      );
      const note = failed
        ? jsonRows([{ line: 0, message: 'the job could not be finished; see the log' }])
        : jsonRows([]);
      await database.rows(sql`
        update ${table} set state = ${failed ? 'failed' : 'queued'}, errors = errors || ${note},
          due_at = now() + ${backoffMs(job.attempts, 500, 30_000)}::int * interval '1 millisecond', updated_at = now()
        where ${mine}`);
    }
  }

  async function drain(): Promise<number> {
    let count = 0;
    for (let job = await claim(); job && !stopping.signal.aborted; job = await claim()) {
      const held = job;
      const options = {
        kind: 'consumer',
        parent: parseTrace(held.trace),
        attributes: { 'banyan.job': held.kind, 'banyan.job.id': held.id, 'banyan.attempts': held.attempts },
      } as const;
      await enter(`job ${held.kind}`, options, { requestId: `job-${held.id}` }, (span) => run(held, span));
      count += 1;
    }
    return count;
  }

  async function runForEver(): Promise<void> {
    while (!stopping.signal.aborted) {
      const woken = new AbortController();
      wake = () => woken.abort();
      const count = await drain().catch((error: unknown) => {
        log.error({ err: error }, 'jobs could not be claimed');
        return 0;
      });
      if (count === 0) await sleep(JOB_POLL_MS, AbortSignal.any([woken.signal, stopping.signal]));
    }
  }

  return {
    jobs: {
      async enqueue(tx, job) {
        const context = currentContext();
        const trace = context ? formatTrace(context) : null;
        await tx.rows(sql`
          insert into ${table} (id, kind, input, total, trace)
          values (${job.id}, ${job.kind}, ${JSON.stringify(job.input)}::text::jsonb, ${job.total ?? 0},
            ${trace}::text)`);
        tx.onCommit(() => {
          wake();
          options.onQueued?.(job.id);
        });
      },
      async get(id) {
        const [job] = await database.rows<Job>(sql`
          select id, kind, state, done, total, errors from ${table} where id = ${id}`);
        return job;
      },
    },
    register(added) {
      for (const [kind, handler] of Object.entries(added)) handlers.set(kind, handler as JobHandler);
    },
    drain,
    get turns() {
      return turns;
    },
    async freeLeases() {
      await database.rows(sql`update ${table} set due_at = now() where state = 'running'`);
    },
    start() {
      loop = runForEver();
    },
    async stop() {
      stopping.abort();
      await loop;
    },
  };
}
