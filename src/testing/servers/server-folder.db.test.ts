import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, test } from 'vitest';
import { sleep } from '../../deadline.ts';
import { createServerFolder, isAlive } from './server-folder.ts';

interface Started {
  readonly pid: number;
  readonly folder: string;
}

/** A process that starts both servers and then waits for its end. */
async function spawnTestRun(): Promise<{ child: ChildProcess; servers: readonly Started[] }> {
  const script = `
    import { startPostgres } from ${JSON.stringify(join(import.meta.dirname, 'postgres-server.ts'))};
    import { startRedis } from ${JSON.stringify(join(import.meta.dirname, 'redis-server.ts'))};
    const servers = [await startPostgres({ durable: false }), await startRedis()];
    console.log(JSON.stringify(servers.map(({ pid, folder }) => ({ pid, folder }))));
    setInterval(() => {}, 1000);
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  for await (const line of createInterface(child.stdout)) return { child, servers: JSON.parse(line) };
  throw new Error('the servers did not start');
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  const ended = once(child, 'exit');
  child.kill(signal);
  expect(await ended).toEqual([null, signal]);
}

/** Processes are gone a moment after they were told to go. */
async function expectNothingLeft(servers: readonly Started[]): Promise<void> {
  while (servers.some(({ pid }) => isAlive(pid))) await sleep(10);
  expect(servers.map(({ folder }) => existsSync(folder))).toEqual([false, false]);
}

test.each(['SIGINT', 'SIGTERM'] as const)('the servers of a process end with it on %s', async (signal) => {
  const { child, servers } = await spawnTestRun();
  await end(child, signal);
  await expectNothingLeft(servers);
});

test('what a killed process leaves is removed by the next one', async () => {
  const { child, servers } = await spawnTestRun();
  await end(child, 'SIGKILL');
  const folder = await createServerFolder();
  try {
    await expectNothingLeft(servers);
    expect(existsSync(folder)).toBe(true);
  } finally {
    await rm(folder, { recursive: true });
  }
});
