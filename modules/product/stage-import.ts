import type { Job } from '#platform/jobs/jobs';
import type { ModuleContext } from '#platform/module';
import { IMPORT_JOB } from './import-job.ts';
import { createImport, deleteImport, markReady, type StagedRow, stageRows } from './import-store.ts';
import { STAGE_BATCH } from './limits.ts';
import { openCatalogue } from './read-catalogue.ts';

/**
 * Takes a catalogue file in and queues the job that applies it. `invalid_request` for a header that will not do,
 * before anything is written; a stream that breaks off leaves nothing. Safe to repeat: the same file changes
 * nothing the second time.
 */
export async function stageImport(
  context: Pick<ModuleContext, 'database' | 'jobs' | 'newId'>,
  stream: ReadableStream<Uint8Array>,
): Promise<Job> {
  const { database, jobs } = context;
  const rows = await openCatalogue(stream);
  const id = context.newId();
  await createImport(database, id);
  let total = 0;
  try {
    for await (const batch of inBatches(rows, STAGE_BATCH)) {
      await stageRows(database, id, total, batch);
      total += batch.length;
    }
    await database.transaction(async (tx) => {
      await markReady(tx, id);
      await jobs.enqueue(tx, { id, kind: IMPORT_JOB, input: {}, total });
    });
  } catch (error) {
    await deleteImport(database, id);
    throw error;
  }
  // As it was queued: a worker may already be at it, and how far is a matter of luck.
  return { id, kind: IMPORT_JOB, state: 'queued', done: 0, total, errors: [] };
}

async function* inBatches(rows: AsyncIterable<StagedRow>, size: number): AsyncGenerator<StagedRow[]> {
  let batch: StagedRow[] = [];
  for await (const row of rows) {
    batch.push(row);
    if (batch.length < size) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}
