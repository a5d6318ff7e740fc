import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { afterEach, expect, test } from 'vitest';
import { cpuSeconds, processTree, residentMb } from './process-tree.ts';

let child: ChildProcess | undefined;
afterEach(() => child?.kill('SIGKILL'));

test('what a process started is in its tree, and counts', async () => {
  const script = `require('child_process').spawn(process.execPath, ['-e', 'console.log(1); setInterval(() => 1, 1e6)'],
    { stdio: 'inherit' })`;
  child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout!, 'data');
  const pids = processTree(child.pid!);
  expect(pids).toHaveLength(2);
  expect(processTree(process.pid)).toEqual(expect.arrayContaining(pids));
  expect(residentMb(pids)).toBeGreaterThan(residentMb([child.pid!]));
  const [, grandchild] = pids;
  process.kill(grandchild!, 'SIGKILL');
});

test('processor time is as the process itself counts it', () => {
  const counted = () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  };
  while (counted() < 1) randomBytes(10_000);
  expect(Math.abs(cpuSeconds([process.pid]) - counted())).toBeLessThan(0.2);
});

test('a process that has ended counts for nothing', () => {
  expect(cpuSeconds([2 ** 30])).toBe(0);
  expect(residentMb([2 ** 30])).toBe(0);
});
