import { sleep } from '../deadline.ts';
import type { Job } from '../jobs/jobs.ts';
import { type ApiClient, problemOf, ShopUnavailable } from './api-client.ts';
import { CommandError, exitCodes } from './exit-codes.ts';
import type { Progress } from './progress.ts';
import type { Session } from './session.ts';

const POLL_MS = 200;
/** A job that makes no step forward for so long has lost its worker for good. */
const STALL_MS = 120_000;

/**
 * Uploads a catalogue as CSV and waits until the shop has taken it in. Importing the same file again changes
 * nothing, so all of it may be repeated. Resolves with the job as it ended; its `errors` name the lines that were
 * left out.
 */
export async function importCatalogue(
  client: ApiClient,
  staff: Session,
  catalogue: Blob,
  progress: Progress,
): Promise<Job> {
  const accepted = await client.request('POST', '/products/import', {
    token: await staff.token(),
    blob: catalogue,
    headers: { 'content-type': 'text/csv' },
  });
  if (accepted.status !== 202) {
    const refused = accepted.status === 401 || accepted.status === 403;
    throw new CommandError(
      refused ? exitCodes.noPermission : exitCodes.badData,
      `the shop did not take the catalogue: ${problemOf(accepted)}`,
    );
  }
  let job: Job = accepted.body;
  let seen = job.done;
  let stalledAt = performance.now() + STALL_MS;
  while (job.state === 'queued' || job.state === 'running') {
    await sleep(POLL_MS);
    const answer = await client.request('GET', `/jobs/${job.id}`, { token: await staff.token() });
    if (answer.status !== 200) throw new ShopUnavailable(`the import's job: ${problemOf(answer)}`);
    job = answer.body;
    progress.update(job.done, job.total);
    if (job.done !== seen) stalledAt = performance.now() + STALL_MS;
    else if (performance.now() > stalledAt)
      throw new ShopUnavailable(`the import stopped at line ${job.done}`);
    seen = job.done;
  }
  progress.finish();
  return job;
}
