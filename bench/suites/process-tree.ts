import { readdirSync, readFileSync } from 'node:fs';

/** Linux counts processor time in ticks of this many a second, on every machine that Node runs on. */
const TICKS = 100;

/** The process and all that it started, and so on down, that run now. Only Linux tells them. */
export function processTree(root: number): number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    const parent = pid > 0 ? Number(statOf(pid)?.[1]) : Number.NaN;
    if (!Number.isNaN(parent)) children.set(parent, [...(children.get(parent) ?? []), pid]);
  }
  const below = (pid: number): number[] => [pid, ...(children.get(pid) ?? []).flatMap(below)];
  return below(root);
}

/** Seconds of processor time that they took so far, those of their threads and ended children included. */
export function cpuSeconds(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    // The fields after the state: user and system time, of the process and of the children it has waited for.
    const fields = statOf(pid) ?? [];
    return sum + fields.slice(11, 15).reduce((ticks, field) => ticks + Number(field), 0) / TICKS;
  }, 0);
}

/** What they hold in memory together, in MB; what they share counts for each. */
export function residentMb(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    const status = read(`/proc/${pid}/status`) ?? '';
    return sum + Number(status.match(/^VmRSS:\s+(\d+) kB/m)?.[1] ?? 0) / 1_024;
  }, 0);
}

/** The fields behind the command's name, which may hold spaces and brackets: the state, the parent, and so on. */
function statOf(pid: number): string[] | undefined {
  return read(`/proc/${pid}/stat`)
    ?.replace(/^.*\) /s, '')
    .split(' ');
}

/** Undefined when the process has ended. */
function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
