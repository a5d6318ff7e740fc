import { sql } from 'drizzle-orm';
import { pino } from 'pino';
import { uuidv7 } from 'uuidv7';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Database } from '../database/database.ts';
import type { Engine } from '../database/engine.ts';
import { AppError } from '../errors.ts';
import { JOB_ATTEMPTS } from '../limits.ts';
import { openPlatformDatabase } from '../testing/database.ts';
import type { JobHandler } from './jobs.ts';
import { createJobRunner } from './runner.ts';

const log = pino({ level: 'silent' });

describe('job runner', () => {
  let engine: Engine;
  let database: Database;
  beforeAll(async () => {
    ({ engine, database } = await openPlatformDatabase());
  });
  afterAll(() => engine.close());

  function createRunner(handler: JobHandler<never>) {
    const runner = createJobRunner({ database, log });
    runner.register({ count: handler });
    return runner;
  }

  async function enqueue(runner: ReturnType<typeof createRunner>, total: number): Promise<string> {
    const id = uuidv7();
    await database.transaction((tx) =>
      runner.jobs.enqueue(tx, { id, kind: 'count', input: { total }, total }),
    );
    return id;
  }

  it('runs a queued job once and shows its progress and line errors', async () => {
    let runs = 0;
    const runner = createRunner(async (run: { progress: Parameters<JobHandler>[0]['progress'] }) => {
      runs += 1;
      await database.transaction((tx) =>
        run.progress(tx, { done: 3, errors: [{ line: 2, message: 'odd' }] }),
      );
    });
    const id = await enqueue(runner, 3);
    expect(await runner.jobs.get(id)).toMatchObject({ state: 'queued', done: 0, total: 3 });
    expect(await runner.drain()).toBe(1);
    expect(await runner.drain()).toBe(0);
    expect(await runner.jobs.get(id)).toEqual({
      id,
      kind: 'count',
      state: 'done',
      done: 3,
      total: 3,
      errors: [{ line: 2, message: 'odd' }],
    });
    expect(runs).toBe(1);
  });

  it('resumes from the committed progress after a failure', async () => {
    const starts: number[] = [];
    const runner = createRunner(async (run: Parameters<JobHandler>[0]) => {
      starts.push(run.done);
      await database.transaction((tx) => run.progress(tx, { done: run.done + 1 }));
      if (run.done < 2) throw new Error('power cut');
    });
    const id = await enqueue(runner, 3);
    for (let round = 0; round < 3; round += 1) {
      await database.rows(sql`update test.job set due_at = now() where id = ${id}`);
      await runner.drain();
    }
    expect(starts).toEqual([0, 1, 2]);
    expect((await runner.jobs.get(id))?.state).toBe('done');
  });

  it('gives up after its attempts and says so', async () => {
    const runner = createRunner(async () => {
      throw new Error('never works');
    });
    const id = await enqueue(runner, 1);
    for (let round = 0; round < JOB_ATTEMPTS; round += 1) {
      await database.rows(sql`update test.job set due_at = now() where id = ${id}`);
      await runner.drain();
    }
    expect(await runner.jobs.get(id)).toMatchObject({ state: 'failed', errors: [{ line: 0 }] });
    expect(await runner.drain()).toBe(0);
  });

  it('does not give up for an outage, however often it is met', async () => {
    const runner = createRunner(async () => {
      throw new AppError('unavailable', 'database_unavailable', 'away');
    });
    const id = await enqueue(runner, 1);
    for (let round = 0; round <= JOB_ATTEMPTS; round += 1) {
      await database.rows(sql`update test.job set due_at = now() where id = ${id}`);
      await runner.drain();
    }
    expect(await runner.jobs.get(id)).toMatchObject({ state: 'queued', errors: [] });
    await database.rows(sql`delete from test.job`);
  });

  it('refuses the progress of a run whose job was taken over', async () => {
    const taken: unknown[] = [];
    const runner = createRunner(async (run: Parameters<JobHandler>[0]) => {
      await database.rows(sql`update test.job set fence = fence + 1 where id = ${run.id}`);
      await database
        .transaction((tx) => run.progress(tx, { done: 1 }))
        .catch((error: unknown) => {
          taken.push(error);
          throw error;
        });
    });
    const id = await enqueue(runner, 1);
    await runner.drain();
    expect(taken).toMatchObject([{ code: 'job_taken_over' }]);
    expect(await runner.jobs.get(id)).toMatchObject({ state: 'running', done: 0 });
    await database.rows(sql`delete from test.job`);
  });
});
