import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { sleep } from '../src/deadline.ts';
import type { Failpoint } from '../src/failpoint.ts';
import { dieAt, refuseCommits } from './failpoints.ts';
import { type Fault, pick, pickNumber } from './fault.ts';
import { underLoad } from './under-load.ts';

/** Where each role comes by. A worker charges only for sagas that others left, so charges are struck in http. */
const points: Readonly<Record<'http' | 'worker', readonly Failpoint[]>> = {
  http: ['before-commit', 'after-commit', 'after-charge'],
  worker: ['before-commit', 'after-commit', 'after-enqueue'],
};
const all: readonly Failpoint[] = ['before-commit', 'after-commit', 'after-enqueue', 'after-charge'];
/** Only a second try of an event is enqueued, so that a worker that is to die there has some handlers fail. */
const FAILING_SHARE = 0.2;
const HITS = 40;
const LOOK_MS = 200;
const BOUND_MS = 900_000;

/** Ends processes at the worst moments: around commits, after an enqueue, between a charge and its record. */
export const fault: Fault = {
  number: 2,
  name: 'exit-at-failpoints',
  run(context) {
    const { short, random, seed } = context;
    const each = short ? 2 : 20;
    const log = join(context.folder, 'failpoints.log');
    let isOver = false;

    /** A point that was not hit often enough yet, the rarest first; undefined when all were. */
    function choose(role: 'http' | 'worker'): Failpoint | undefined {
      const counts = countHits(log);
      const open = points[role].filter((point) => counts[point] < each);
      const least = Math.min(...open.map((point) => counts[point]));
      return open.length === 0
        ? undefined
        : pick(
            random,
            open.filter((point) => counts[point] === least),
          );
    }

    return underLoad(context, {
      cluster: {
        env({ role, start }) {
          // The first start belongs to the shop, so that there is trade to break.
          const point = start === 1 || isOver ? undefined : choose(role);
          if (point === undefined) return {};
          const hits = point === 'after-enqueue' ? 1 : pickNumber(random, 1, HITS);
          const failing = point === 'after-enqueue' ? refuseCommits(FAILING_SHARE, seed + start) : {};
          return { ...failing, ...dieAt(point, hits, log) };
        },
        mayEnd: (_code, signal) => signal === 'SIGKILL',
      },
      load: { ordersPerSecond: short ? 60 : 30 },
      async inject({ cluster }, say) {
        for (const each of cluster.processes) await each.kill();
        const endsAt = performance.now() + BOUND_MS;
        let counts = countHits(log);
        while (all.some((point) => counts[point] < each) && performance.now() < endsAt) {
          await sleep(LOOK_MS);
          counts = countHits(log);
          say(`ended ${describe(counts)}`);
        }
        isOver = true;
        // Some are armed still, and are followed by processes that are not. Killed, since one that has just begun after
        // its last point does not listen to SIGTERM yet.
        await Promise.all(cluster.processes.map((process) => process.kill()));
        await Promise.all(cluster.processes.map((process) => process.ready()));
        const missing = all.filter((point) => counts[point] < each);
        return {
          injected: Object.values(counts).reduce((sum, count) => sum + count, 0),
          problems: missing.map((point) => `${point} was hit ${counts[point]} times of ${each}`),
          notes: [`ended ${describe(counts)}`],
        };
      },
    });
  },
};

function countHits(log: string): Record<Failpoint, number> {
  const lines = existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n') : [];
  const count = (point: Failpoint) => lines.filter((line) => line === point).length;
  return {
    'before-commit': count('before-commit'),
    'after-commit': count('after-commit'),
    'after-enqueue': count('after-enqueue'),
    'after-charge': count('after-charge'),
  };
}

function describe(counts: Readonly<Record<Failpoint, number>>): string {
  return all.map((point) => `${point} ${counts[point]}`).join(', ');
}
