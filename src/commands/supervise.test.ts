import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { afterEach, expect, test } from 'vitest';
import type { ProcessState } from './supervise.ts';

const require = createRequire(import.meta.url);
const standIn = require.resolve('../testing/supervise-stand-in.ts');

interface Told {
  readonly name?: string;
  readonly line?: string;
  readonly sentence?: string;
  readonly states?: readonly ProcessState[];
  readonly isReady?: true;
}

const running: ChildProcess[] = [];
afterEach(() => {
  for (const child of running.splice(0)) child.kill('SIGKILL');
});

/** Starts the stand-in; see there for what `behaviour` may be. */
function run(behaviour: string) {
  const child = spawn(process.execPath, [standIn, behaviour], { stdio: ['ignore', 'pipe', 'inherit'] });
  running.push(child);
  let output = '';
  child.stdout.on('data', (chunk) => {
    output += String(chunk);
  });
  const told = (): Told[] =>
    output
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Told);
  return {
    child,
    told,
    ended: once(child, 'close').then(([code]) => code as number | null),
    isReady: () => told().some(({ isReady }) => isReady),
    sentences: () => told().flatMap(({ sentence }) => sentence ?? []),
    pidOf: (name: string) =>
      told()
        .findLast(({ states }) => states !== undefined)
        ?.states?.find((state) => state.name === name)?.pid,
  };
}

/** Processes take their time to start on a busy machine. */
const until = <T>(look: () => T) => expect.poll(look, { timeout: 30_000 });

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

test('processes stop in their turn, and every line of theirs is heard', async () => {
  const up = run('good');
  await until(up.isReady).toBe(true);
  up.child.kill('SIGTERM');
  expect(await up.ended).toBe(0);
  const line = 'stopped, and this is the last line without a break';
  expect(up.told().filter((told) => told.line !== undefined)).toEqual([
    { name: 'a', line },
    { name: 'b', line },
  ]);
});

test('one that hangs is told as down, and as ready when it answers again', { timeout: 90_000 }, async () => {
  const up = run('good');
  await until(up.isReady).toBe(true);
  const pid = up.pidOf('a')!;
  process.kill(pid, 'SIGSTOP');
  await until(up.sentences).toEqual(['a is not ready: it does not answer']);
  process.kill(pid, 'SIGCONT');
  await until(up.sentences).toContain('a is ready again');
  expect(up.pidOf('a')).toBe(pid);
});

test('one that keeps dying is started again, with a pause from the second time on, while the other runs on', async () => {
  const up = run('dying');
  // It may be seen not to answer just before it is seen to have ended.
  const ends = () => up.sentences().filter((sentence) => sentence.startsWith('b has ended'));
  await until(() => ends().length).toBeGreaterThan(2);
  expect(ends()[0]).toBe('b has ended with exit code 1; starting again now');
  expect(ends()[1]).toMatch(/starting again in \d+ ms$/);
  expect(isAlive(up.pidOf('a')!)).toBe(true);
});

test('one that does not start ends them all, with its exit code', async () => {
  const up = run('broken');
  expect(await up.ended).toBe(78);
  expect(up.sentences()).toEqual(['b has ended with exit code 78 before it was ready; stopping the others']);
});

test('one that does not stop is killed in the end', async () => {
  const up = run('stubborn');
  await until(up.isReady).toBe(true);
  const pid = up.pidOf('b')!;
  up.child.kill('SIGTERM');
  expect(await up.ended).toBe(0);
  expect(up.sentences().at(-1)).toBe('b did not stop within 0.1 s: killed');
  expect(isAlive(pid)).toBe(false);
});

test('one that drains gets its time', async () => {
  const up = run('draining');
  await until(up.isReady).toBe(true);
  up.child.kill('SIGTERM');
  expect(await up.ended).toBe(0);
  expect(up.told().filter(({ line }) => line?.startsWith('stopped'))).toMatchObject([
    { name: 'a' },
    { name: 'b' },
  ]);
});

test('a detailed log is for those who can hear of it, and for their successors', async () => {
  const up = run('good');
  await until(() => up.told().length).toBeGreaterThan(0);
  // None of them knows the signal yet.
  up.child.kill('SIGUSR2');
  const told = (name: string) => up.told().filter((each) => each.line === 'SIGUSR2' && each.name === name);
  await until(() => told('a').length + told('b').length).toBe(2);
  expect(up.sentences()).toEqual([]);
  process.kill(up.pidOf('a')!, 'SIGKILL');
  await until(() => told('a')).toHaveLength(2);
  expect(told('b')).toHaveLength(1);
});

test('a second signal ends everything at once', async () => {
  const up = run('good');
  await until(up.isReady).toBe(true);
  const pids = [up.pidOf('a')!, up.pidOf('b')!];
  // Held, so that it cannot stop in order.
  process.kill(pids[0]!, 'SIGSTOP');
  up.child.kill('SIGTERM');
  await until(up.sentences).toContain('SIGTERM: stopping; once more to stop at once');
  up.child.kill('SIGINT');
  expect(await up.ended).toBe(130);
  await until(() => pids.filter(isAlive)).toEqual([]);
});

test('processes end when their supervisor is killed', async () => {
  const up = run('stubborn');
  await until(up.isReady).toBe(true);
  const pids = [up.pidOf('a')!, up.pidOf('b')!];
  up.child.kill('SIGKILL');
  await until(() => pids.filter(isAlive)).toEqual([]);
});
