import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { mkdtemp, readdir, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sleep } from '../../deadline.ts';

const PREFIX = 'banyan-test-';
/** Names, inside a server's folder, the folder that its processes work in. */
const NOTE = 'works-in';
/** Postgres itself gives its sessions 5 s in an immediate shutdown before it kills them. */
const END_MS = 6_000;

/**
 * A new folder for one server, in the system's temporary folder. Its name holds our process id, so that the next test
 * run can tell what a killed one left behind; that is removed here first.
 */
export async function createServerFolder(): Promise<string> {
  await removeLeftovers();
  return await mkdtemp(join(await realpath(tmpdir()), `${PREFIX}${process.pid}-`));
}

/** Notes where the server's processes work, a path without links, by which the next test run finds them when we are killed. */
export async function noteWorkingFolder(folder: string, workingFolder: string): Promise<void> {
  await writeFile(join(folder, NOTE), workingFolder);
}

/** Ends the servers, and removes the folders, of test processes that are gone. */
async function removeLeftovers(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const owner = name.match(/^banyan-test-(\d+)-/)?.[1];
    if (owner === undefined || isAlive(Number(owner))) continue;
    const folder = join(tmpdir(), name);
    try {
      await endLeftover(readFileSync(join(folder, NOTE), 'utf8'));
    } catch {
      // Nothing was started there, or it is another user's, or another test process removes it right now.
    }
    await rm(folder, { recursive: true, force: true }).catch(() => undefined);
  }
}

async function endLeftover(workingFolder: string): Promise<void> {
  // To Postgres an immediate shutdown, which frees its shared memory; the others just end.
  killAll(workingFolder, 'SIGQUIT');
  const endsAt = performance.now() + END_MS;
  while (processesIn(workingFolder).length > 0 && performance.now() < endsAt) await sleep(20);
  killAll(workingFolder, 'SIGKILL');
}

/** Signals every process that works in the folder. Only Linux tells which do, so elsewhere none is found. */
export function killAll(workingFolder: string, signal: NodeJS.Signals): void {
  for (const pid of processesIn(workingFolder)) {
    try {
      process.kill(pid, signal);
    } catch {
      // It has ended meanwhile.
    }
  }
}

function processesIn(workingFolder: string): number[] {
  if (!existsSync('/proc/self/cwd')) return [];
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => {
      try {
        return pid > 0 && readlinkSync(`/proc/${pid}/cwd`) === workingFolder;
      } catch {
        return false;
      }
    });
}

/** Whether a process of that id runs, ours or not. One that has ended and waits for its parent to notice does not. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  try {
    // The state follows the command's name in brackets, which may hold brackets itself.
    return !/\) [ZX] [^)]*$/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    // It ended just now, or this system has no such file.
    return !existsSync('/proc/self/stat');
  }
}
