import { readFileSync } from 'node:fs';
import { checkBooks } from './check-books.ts';
import type { Cluster } from './cluster.ts';
import type { FaultResult } from './fault.ts';
import type { Load } from './load.ts';
import { describeWork, settle } from './settle.ts';
import { isReady } from './shop-process.ts';

/** A saga is tried forward for 60 s and then turned back; leases, backoffs and sweeps come on top. */
const SETTLE_MS = 150_000;
/** After a fault every process has its full pool within this. */
const WHOLE_MS = 10_000;
/** More than one process's pool has connections for any module. */
const READS_AT_ONCE = 40;
/** The edge answers by 35 s; a machine that is busy is allowed a little more. */
const ANSWER_MS = 45_000;
/** Findings of one kind that are told; the rest is counted. */
const TOLD = 8;

/** Lines of a log that no fault excuses. */
export const FORBIDDEN =
  /uncaught exception|unhandled|invariant broken|"level":"fatal"|Cannot read properties of/i;

/** The parts of a result that follow from the state of the shop after the fault. */
export type Verdict = Omit<FaultResult, 'injected'>;

/**
 * Judges a shop after its fault: the load is stopped, what is under way settles, and then every promise is checked
 * against what clients were told.
 */
export async function judge(
  cluster: Cluster,
  load: Load,
  options: { settleMs?: number; say?: (progress: string) => void } = {},
): Promise<Verdict> {
  const { settleMs = SETTLE_MS, say } = options;
  say?.('waiting for the last answers');
  await load.stop();
  const problems = [...load.problems];
  say?.('looking whether all processes are whole');
  problems.push(...(await checkWhole(cluster)));
  say?.('waiting until nothing is under way');
  const { tookMs, left, last } = await settle(cluster, settleMs);
  const open = describeWork(left);
  const waitedFor = describeWork(last);
  if (open !== '') problems.push(`still under way after ${settleMs} ms: ${open}`);
  say?.('checking the books');
  const { lost, duplicated, wrong } = await checkBooks(cluster, load.orders);
  problems.push(...told('lost', lost), ...told('duplicated', duplicated), ...told('wrong', wrong));
  say?.('auditing');
  problems.push(...(await audit(cluster)));
  problems.push(...cluster.unaskedEnds);
  const slow = load.attempts.filter((attempt) => attempt.durationMs > ANSWER_MS);
  for (const { method, path, durationMs, outcome } of slow.slice(0, TOLD))
    problems.push(`${method} ${path} took ${Math.round(durationMs)} ms and ended with ${outcome}`);
  problems.push(...readLogs(cluster));
  return {
    load: load.describe(),
    acknowledged: load.acknowledged,
    lost: lost.length,
    duplicated: duplicated.length,
    worstStallMs: load.worstStallMs,
    problems,
    notes: [`settled in ${Math.round(tookMs)} ms${waitedFor === '' ? '' : ` (at last ${waitedFor})`}`],
  };
}

/** The first findings of a kind, and how many more there are. */
export function told(kind: string, findings: readonly string[]): string[] {
  const more = findings.length - TOLD;
  return [
    ...findings.slice(0, TOLD).map((finding) => `${kind}: ${finding}`),
    ...(more > 0 ? [`${kind}: ${more} more`] : []),
  ];
}

/** Every process is ready, and each http process answers more readers at once than a pool has connections. */
export async function checkWhole(cluster: Cluster): Promise<string[]> {
  const startedMs = performance.now();
  const checks = cluster.processes
    .filter(({ isWanted }) => isWanted)
    .map(async (each) => {
      let reason: string | undefined = 'was not looked at';
      while (reason !== undefined && performance.now() - startedMs < WHOLE_MS) {
        reason = (await isReady(each.opsUrl)) ? undefined : 'is not ready';
        if (reason === undefined && each.role === 'http') reason = await readAtOnce(each.url);
      }
      return reason === undefined ? [] : [`${each.name} ${reason} ${WHOLE_MS} ms after the fault`];
    });
  return (await Promise.all(checks)).flat();
}

/** Lists are not cached, so each read takes a connection. Undefined when all were answered. */
async function readAtOnce(url: string): Promise<string | undefined> {
  const reads = Array.from({ length: READS_AT_ONCE }, async (_, number) => {
    const path = `/api/v1/products?limit=5&q=thing&minPrice=${number}&currency=GBP`;
    const answer = await fetch(new URL(path, url), { signal: AbortSignal.timeout(WHOLE_MS) });
    await answer.arrayBuffer();
    return String(answer.status);
  });
  const settled = await Promise.allSettled(reads);
  const bad = settled
    .map((each) => (each.status === 'fulfilled' ? each.value : String(each.reason)))
    .filter((outcome) => outcome !== '200');
  return bad.length === 0 ? undefined : `failed ${bad.length} of ${READS_AT_ONCE} reads at once (${bad[0]})`;
}

async function audit(cluster: Cluster): Promise<string[]> {
  const { code, out, err } = await cluster.command('audit', '--json');
  if (code === 0) return [];
  const lines = out.trim().split('\n').filter(Boolean);
  return [`audit ended with ${code}: ${err.trim()}`, ...told('audit', lines)];
}

function readLogs(cluster: Cluster): string[] {
  return cluster.processes.flatMap((each) => {
    const lines = readFileSync(each.logFile, 'utf8').split('\n');
    const bad = lines.filter((line) => FORBIDDEN.test(line)).map((line) => line.slice(0, 600));
    return told(`log of ${each.name}`, bad);
  });
}
