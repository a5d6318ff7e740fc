import { sleep } from '../src/deadline.ts';
import type { Cluster } from './cluster.ts';
import { type Fault, pick, pickNumber } from './fault.ts';
import { type HeldWork, listHeldWork, readWork } from './held-work.ts';
import type { ShopProcess } from './shop-process.ts';
import { underLoad } from './under-load.ts';

/** What others hold has moved on by then, and what is still held is the stopped one's. */
const OTHERS_MS = 400;
/**
 * For how long to try to stop a process at a moment at which it holds something: while another one is stopped, every
 * client may wait for that one, so that there is no work at all for as long as one of their attempts takes.
 */
const HOLDING_WITHIN_MS = 60_000;
/** Longer than a delivery's lease of 30 s, and than a saga's of 15 s. */
const WORKER_STALL_MS = 45_000;
const WORKER_STALL_SHORT_MS = 35_000;
const HTTP_STALL_MS = 20_000;
/** Clients of a stopped process turn to another one with the same key, while the first still holds their order. */
const CLIENT_MS = 8_000;

interface Stall {
  readonly role: ShopProcess['role'];
  readonly forMs: number;
}

/**
 * Stops a process in the midst of its work for longer than its leases, and lets it go on: others have taken its work
 * over by then, and what it still writes is refused.
 */
export const fault: Fault = {
  number: 3,
  name: 'stall-process',
  run(context) {
    const { short, random } = context;
    const held: HeldWork[] = [];
    return underLoad(context, {
      load: { ordersPerSecond: short ? 30 : 20, attemptMs: CLIENT_MS },
      async inject({ cluster }, say) {
        const stalls = plan(short, random);
        let count = 0;
        const stall = async ({ role, forMs }: Stall) => {
          const victim = pick(random, role === 'http' ? cluster.http : cluster.workers);
          count += 1;
          say(`stall ${count} of ${stalls.flat().length}, ${victim.name} for ${forMs} ms`);
          held.push(...(await stopAmidWork(cluster, victim)));
          await sleep(forMs);
          victim.signal('SIGCONT');
        };
        for (const together of stalls) {
          await Promise.all(together.map(stall));
          await sleep(pickNumber(random, 1_000, 3_000));
        }
        return { injected: count };
      },
      // Once all is settled, so that the stopped ones had time for their late words.
      inspect: ({ cluster }) => checkTakenOver(cluster, held),
    });
  },
};

/** Besides the long stalls some short ones, in which nobody may take anything over. Those of one list come together. */
function plan(short: boolean, random: () => number): Stall[][] {
  const brief = (role: Stall['role']) => ({ role, forMs: pickNumber(random, 500, 3_000) });
  const worker = { role: 'worker', forMs: short ? WORKER_STALL_SHORT_MS : WORKER_STALL_MS } as const;
  const http = { role: 'http', forMs: HTTP_STALL_MS } as const;
  if (short) return [[brief('worker')], [brief('http')], [worker, http], [brief('worker')]];
  const all = [
    worker,
    http,
    brief('worker'),
    worker,
    http,
    brief('http'),
    worker,
    http,
    worker,
    brief('worker'),
  ];
  return all.map((each) => [each]);
}

/** Stops the process while it holds work, and resolves with that work. */
async function stopAmidWork(cluster: Cluster, victim: ShopProcess): Promise<HeldWork[]> {
  const kinds: readonly HeldWork['kind'][] = victim.role === 'http' ? ['saga'] : ['delivery', 'mail'];
  return await cluster.query(async (sql) => {
    const startedMs = performance.now();
    for (let attempt = 1; performance.now() - startedMs < HOLDING_WITHIN_MS; attempt += 1) {
      victim.signal('SIGSTOP');
      const before = (await listHeldWork(sql)).filter(({ kind }) => kinds.includes(kind));
      if (before.length > 0) {
        await sleep(OTHERS_MS);
        const after = new Set((await listHeldWork(sql)).map(({ name, fence }) => `${name} ${fence}`));
        const held = before.filter(({ name, fence }) => after.has(`${name} ${fence}`));
        if (held.length > 0) return held;
      }
      victim.signal('SIGCONT');
      await sleep(attempt % 20);
    }
    throw new Error(`${victim.name} held nothing whenever it was stopped within ${HOLDING_WITHIN_MS} ms`);
  });
}

/**
 * What the stopped processes held has ended. Where somebody else has taken it over, the fence has risen and the late
 * word did not count: a delivery that its late holder gave up after 30 s would show as failed.
 */
async function checkTakenOver(cluster: Cluster, held: readonly HeldWork[]) {
  const problems: string[] = [];
  let taken = 0;
  await cluster.query(async (sql) => {
    for (const kind of ['delivery', 'mail', 'saga'] as const) {
      const now = await readWork(sql, kind);
      for (const { name, fence } of held.filter((each) => each.kind === kind)) {
        const work = now.get(name);
        if (!work?.ended) problems.push(`${kind} ${name} was held by a stopped process and has not ended`);
        else if (work.failed) problems.push(`${kind} ${name}: the late word of its stopped holder counted`);
        else if (work.fence > fence) taken += 1;
      }
    }
  });
  if (taken === 0) problems.push('nothing was taken over from a stopped process');
  return { problems, notes: [`held ${held.length}, of which others took over ${taken}`] };
}
