import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import postgres from 'postgres';
import { afterAll, describe, expect, test } from 'vitest';
import { sleep } from '../../deadline.ts';
import { faketimeEnv } from './faketime.ts';
import { type PostgresServer, startPostgres } from './postgres-server.ts';
import { isAlive } from './server-folder.ts';

/** Runs statements on a connection of their own, since the server's restarts end all connections. */
async function query(server: PostgresServer, text: string) {
  const sql = postgres(server.url, { max: 1, onnotice: () => undefined });
  try {
    return await sql.unsafe(text);
  } finally {
    // The driver waits for ever for a connection that the server broke.
    await sql.end({ timeout: 1 });
  }
}

describe('a Postgres for tests', async () => {
  const server = await startPostgres();
  afterAll(() => server.stop());

  test('answers, with the version and the durability it says', async () => {
    const [row] = await query(server, `select current_setting('server_version') as version`);
    expect(row?.version).toContain(server.version);
    const [settings] = await query(
      server,
      `select current_setting('fsync') as fsync, current_setting('synchronous_commit') as commit,
        current_setting('full_page_writes') as pages, current_setting('max_connections') as connections`,
    );
    expect(settings).toEqual({ fsync: 'on', commit: 'on', pages: 'on', connections: '200' });
  });

  test('lets nobody in without the password', async () => {
    const url = new URL(server.url);
    url.password = 'guess';
    await expect(query({ ...server, url: url.href }, 'select 1')).rejects.toMatchObject({ code: '28P01' });
  });

  test('keeps committed rows over immediate restarts and a kill, on the same port', async () => {
    await query(server, 'create table kept (id int)');
    await query(server, 'insert into kept values (1)');
    const before = server.pid;
    await server.restart('immediate');
    expect(server.pid).not.toBe(before);
    await query(server, 'insert into kept values (2)');
    await server.kill('SIGKILL');
    expect(server.pid).toBeUndefined();
    await server.start();
    await query(server, 'insert into kept values (3)');
    await server.restart('fast');
    expect(await query(server, 'select id from kept order by id')).toEqual([{ id: 1 }, { id: 2 }, { id: 3 }]);
  });

  test('a kill takes busy sessions with it', async () => {
    const busy = `select count(*) from generate_series(1, 1000000000000)`;
    const running = async () => {
      const [row] = await query(server, `select pid from pg_stat_activity where query = $$${busy}$$`);
      return row?.pid as number | undefined;
    };
    const ended = expect(query(server, busy)).rejects.toThrow();
    let session = await running();
    while (session === undefined) session = await running();
    await server.kill('SIGKILL');
    await ended;
    await server.start();
    while (isAlive(session)) await sleep(10);
    expect(await running()).toBeUndefined();
  });

  test('refuses a second start', async () => {
    await expect(server.start()).rejects.toThrow('running already');
  });
});

test('a stopped server leaves no process and no folder, and can be stopped again', async () => {
  const server = await startPostgres({ durable: false });
  const { pid, folder } = server;
  expect(isAlive(pid!)).toBe(true);
  await server.stop();
  await server.stop();
  expect(isAlive(pid!)).toBe(false);
  expect(existsSync(folder)).toBe(false);
});

test('a server that does not start says why in the words of Postgres, and leaves no folder', async () => {
  const ours = async () =>
    (await readdir(tmpdir())).filter((name) => name.startsWith(`banyan-test-${process.pid}-`));
  const before = await ours();
  await expect(startPostgres({ settings: { work_mem: 'plenty' } })).rejects.toThrow(/"work_mem"/);
  expect(await ours()).toEqual(before);
});

test('the binaries of npm serve as well', async () => {
  const server = await startPostgres({ durable: false, source: 'npm' });
  try {
    expect(server.version).toMatch(/^18\./);
    expect(await query(server, `select lower('ÄB') as lower, 'B' < 'a' as points`)).toEqual([
      { lower: 'äb', points: true },
    ]);
  } finally {
    await server.stop();
  }
});

const faketime = await faketimeEnv('/dev/null').catch(() => undefined);

test('a server under libfaketime takes its clock from us, where that library is installed', async () => {
  const starting = startPostgres({ durable: false, faketime: '+25h' });
  if (faketime === undefined) return await expect(starting).rejects.toThrow('libfaketime is not installed');
  const server = await starting;
  const hoursAhead = async () => {
    const [row] = await query(server, `select extract(epoch from clock_timestamp())::float8 as seconds`);
    return Math.round((row?.seconds - Date.now() / 1000) / 3600);
  };
  try {
    expect(await hoursAhead()).toBe(25);
    await server.moveClock('-1d');
    expect(await hoursAhead()).toBe(-24);
  } finally {
    await server.stop();
  }
});
