import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { version } from '../src/version.ts';

/** What the figures were measured on. */
export function aboutMachine(): Record<string, unknown> {
  const cores = cpus();
  return {
    cpu: cores[0]?.model ?? 'unknown',
    cores: cores.length,
    memoryMb: Math.round(totalmem() / 2 ** 20),
    kernel: release(),
    platform: `${process.platform} ${process.arch}`,
  };
}

/** Of this program and its Node; suites add those of the servers. */
export async function aboutVersions(): Promise<Record<string, string>> {
  return { banyan: version, commit: await commit(), node: process.versions.node };
}

/** With `+` when files differ from it; `unknown` outside of a clone. */
async function commit(): Promise<string> {
  const git = async (...args: string[]) =>
    (await promisify(execFile)('git', args, { cwd: join(import.meta.dirname, '..') })).stdout.trim();
  try {
    const changed = await git('status', '--porcelain', '--untracked-files=no');
    return `${await git('rev-parse', '--short=12', 'HEAD')}${changed === '' ? '' : '+'}`;
  } catch {
    return 'unknown';
  }
}

const CLOCK_TICKS = 100;

/** What processes have used of the machine. Only Linux tells; elsewhere all is 0. */
export interface Usage {
  readonly cpuSeconds: number;
  readonly residentMb: number;
}

/** Of one process with those that it started and that run, and the CPU of those that have ended and were waited for. */
export function usageOf(pid: number): Usage {
  return addUsage([pid, ...childrenOf(pid)].map(usageOfOne));
}

function addUsage(usages: readonly Usage[]): Usage {
  return {
    cpuSeconds: usages.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0),
    residentMb: usages.reduce((sum, { residentMb }) => sum + residentMb, 0),
  };
}

function usageOfOne(pid: number): Usage {
  const stat = read(`/proc/${pid}/stat`);
  // The command's name is in brackets and may hold spaces; the state is the first field after it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = [11, 12, 13, 14].reduce((sum, field) => sum + Number(fields[field] ?? 0), 0);
  const resident = /^VmRSS:\s+(\d+) kB/m.exec(read(`/proc/${pid}/status`))?.[1];
  return { cpuSeconds: ticks / CLOCK_TICKS, residentMb: Number(resident ?? 0) / 1_024 };
}

function childrenOf(pid: number): number[] {
  const children = read(`/proc/${pid}/task/${pid}/children`).trim();
  if (children === '') return [];
  return children.split(' ').flatMap((child) => [Number(child), ...childrenOf(Number(child))]);
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
