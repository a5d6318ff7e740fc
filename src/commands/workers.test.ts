import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { afterEach, expect, test } from 'vitest';
import { restartDelayMs } from './workers.ts';

const require = createRequire(import.meta.url);
const standIn = require.resolve('../testing/workers-stand-in.ts');

const running: ChildProcess[] = [];
afterEach(() => {
  for (const child of running.splice(0)) child.kill('SIGKILL');
});

/** Starts the stand-in; see there for what `behaviour` may be. */
function run(count: number, behaviour: string) {
  const child = spawn(process.execPath, [standIn, String(count), behaviour], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  running.push(child);
  let output = '';
  child.stdout.on('data', (chunk) => {
    output += String(chunk);
  });
  /** What the primary or a worker has logged with this message. */
  const logged = (message: string) =>
    output
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line))
      .filter(({ msg }) => msg === message);
  return {
    child,
    ended: once(child, 'exit').then(([code]) => code as number | null),
    logged,
    pids: () => logged('ready').map(({ pid }) => pid as number),
    get: async (path: string) =>
      await (await fetch(`http://127.0.0.1:${logged('ready')[0].port}${path}`)).text(),
    deaths: () => logged('a worker has ended; another follows'),
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

test('each of several workers answers on the one port', async () => {
  const shop = run(2, 'good');
  await until(shop.pids).toHaveLength(2);
  for (const [pid = 0, other = 0] of [shop.pids(), shop.pids().reverse()]) {
    process.kill(other, 'SIGSTOP');
    expect(Number(await shop.get('/'))).toBe(pid);
    process.kill(other, 'SIGCONT');
  }
});

test('one that dies is replaced, while the other answers', async () => {
  const shop = run(2, 'good');
  await until(shop.pids).toHaveLength(2);
  const [first = 0, second] = shop.pids();
  process.kill(first, 'SIGKILL');
  await until(() => isAlive(first)).toBe(false);
  expect(Number(await shop.get('/'))).toBe(second);
  await until(shop.pids).toHaveLength(3);
  expect(shop.deaths()[0]).toMatchObject({ worker: 1, pid: first, signal: 'SIGKILL', restartMs: 0 });
  expect(isAlive(second!)).toBe(true);
});

test('one that keeps dying is started again after a growing time', async () => {
  const shop = run(1, 'dying');
  await until(() => shop.deaths().length).toBeGreaterThan(4);
  const delays = shop.deaths().map(({ restartMs }) => restartMs as number);
  expect(delays[0]).toBe(0);
  expect(delays.slice(1).every((delayMs) => delayMs > 0 && delayMs <= 4)).toBe(true);
});

test('the time before a restart grows to a bound', () => {
  const limits = { restartMs: 500, restartMaxMs: 10_000 };
  expect([0, 1].map((deaths) => restartDelayMs(deaths, limits))).toEqual([0, 0]);
  for (const [deaths, longest] of [
    [2, 500],
    [3, 1_000],
    [6, 8_000],
    [7, 10_000],
    [5_000, 10_000],
  ] as const) {
    const delayMs = restartDelayMs(deaths, limits);
    expect(delayMs).toBeGreaterThanOrEqual(longest / 2);
    expect(delayMs).toBeLessThanOrEqual(longest);
  }
});

test('when the first cannot start, all end with its exit code, and it says why once', async () => {
  const shop = run(3, 'broken');
  expect(await shop.ended).toBe(78);
  expect(shop.logged('broken')).toHaveLength(1);
});

test('SIGTERM lets each finish its requests, and then ends all with 0', async () => {
  const shop = run(2, 'good');
  await until(shop.pids).toHaveLength(2);
  const slow = [];
  for (const other of shop.pids()) {
    process.kill(other, 'SIGSTOP');
    slow.push(shop.get('/slow'));
    await until(() => shop.logged('slow')).toHaveLength(slow.length);
    process.kill(other, 'SIGCONT');
  }
  shop.child.kill('SIGTERM');
  expect(await Promise.all(slow)).toEqual(['slow', 'slow']);
  expect(await shop.ended).toBe(0);
  expect(shop.pids().some(isAlive)).toBe(false);
});

test('a worker that does not stop is killed', async () => {
  const shop = run(2, 'stubborn');
  await until(shop.pids).toHaveLength(2);
  shop.child.kill('SIGTERM');
  expect(await shop.ended).toBe(0);
  expect(shop.logged('workers did not stop: killed')[0].pids.sort()).toEqual(shop.pids().sort());
  expect(shop.pids().some(isAlive)).toBe(false);
});

test('a second signal ends all at once', async () => {
  const shop = run(2, 'good');
  await until(shop.pids).toHaveLength(2);
  const cutOff = shop.get('/slow').catch(() => 'cut off');
  await until(() => shop.logged('slow')).toHaveLength(1);
  const slow = shop.logged('slow')[0].pid;
  process.kill(slow, 'SIGSTOP');
  shop.child.kill('SIGTERM');
  await until(() => shop.logged('stopping; once more to stop at once')).toHaveLength(1);
  shop.child.kill('SIGINT');
  expect(await shop.ended).toBe(130);
  await until(() => shop.pids().some(isAlive)).toBe(false);
  expect(await cutOff).toBe('cut off');
});

test('workers do not outlive a primary that is killed', async () => {
  const shop = run(2, 'good');
  await until(shop.pids).toHaveLength(2);
  shop.child.kill('SIGKILL');
  await until(() => shop.pids().some(isAlive)).toBe(false);
});

test('a scrape of any worker shows all of them, without one that does not answer', async () => {
  const shop = run(2, 'good');
  await until(shop.pids).toHaveLength(2);
  const [first, second = 0] = shop.pids();
  const pids = async () => (await shop.get('/metrics')).match(/^stand_in_pid\{.*/gm);
  expect(await pids()).toEqual([`stand_in_pid{worker="1"} ${first}`, `stand_in_pid{worker="2"} ${second}`]);

  const text = await shop.get('/metrics');
  expect(text.match(/# TYPE stand_in_pid gauge/g)).toHaveLength(1);
  expect(text).toMatch(/^process_start_time_seconds\{worker="2"\} \d/m);
  expect(text).toMatch(/^http_request_duration_seconds_bucket\{le="0.005",.*worker="1"\} 1$/m);
  expect(text).toMatch(/^http_request_duration_seconds_count\{.*worker="2"\} 1$/m);

  process.kill(second, 'SIGSTOP');
  expect(await pids()).toEqual([`stand_in_pid{worker="1"} ${first}`]);
  process.kill(second, 'SIGCONT');
});

test('SIGUSR2 to the primary reaches every worker, and those that come later', async () => {
  const shop = run(2, 'good');
  await until(shop.pids).toHaveLength(2);
  shop.child.kill('SIGUSR2');
  const changes = () => shop.logged('SIGUSR2: the log level has changed').map(({ logLevel }) => logLevel);
  await until(changes).toEqual(['debug', 'debug']);
  process.kill(shop.pids()[0]!, 'SIGKILL');
  await until(changes).toEqual(['debug', 'debug', 'debug']);
});
