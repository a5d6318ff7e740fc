import { appendFileSync } from 'node:fs';
import { currentContext } from '../src/context.ts';
import { databaseUnavailable } from '../src/database/postgres-errors.ts';
import { armFailpoints } from '../src/failpoint.ts';
import { createRandom } from '../src/testing/random.ts';

/**
 * Loaded into a process of the shop before it starts, by `NODE_OPTIONS=--import`. With FAILPOINT the process kills
 * itself the FAILPOINT_HITS-th time it comes there, and notes that in FAILPOINT_LOG first. With FAILPOINT_FAILS that
 * share of the commits of event handlers is refused as by a database that goes away, so that they are tried again.
 */
const { FAILPOINT, FAILPOINT_HITS, FAILPOINT_LOG, FAILPOINT_FAILS, FAILPOINT_SEED } = process.env;
const random = createRandom(Number(FAILPOINT_SEED ?? 1));
const share = Number(FAILPOINT_FAILS ?? 0);
let left = Number(FAILPOINT_HITS ?? 1);

armFailpoints((point) => {
  if (point === FAILPOINT) {
    left -= 1;
    if (left <= 0) {
      if (FAILPOINT_LOG !== undefined) appendFileSync(FAILPOINT_LOG, `${point}\n`);
      process.kill(process.pid, 'SIGKILL');
    }
  }
  if (point === 'before-commit' && isHandling() && random() < share)
    throw databaseUnavailable(new Error('the fault suite refused this commit'));
});

/** Whether an event's handler commits, by the name that its work goes under. */
function isHandling(): boolean {
  return currentContext()?.requestId.startsWith('event-') ?? false;
}
