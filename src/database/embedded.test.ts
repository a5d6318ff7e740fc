import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, rmdir, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { PGlite } from '@electric-sql/pglite';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EMBEDDED_STATEMENTS } from '../limits.ts';
import { DurableFolder, durableStartParams } from './durable-folder.ts';
import { openEmbedded } from './embedded.ts';
import { lockFolder, RESTORING } from './embedded-folder.ts';
import { migrate, pendingMigrations } from './migrate.ts';

describe('embedded database', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'banyan-embedded-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('keeps its data over a restart, and refuses a second opener', async () => {
    const first = await openEmbedded({ folder });
    expect(await migrate(first, 'test', ['platform'])).toContain('platform/0001_platform.sql');
    await first.database('test').rows(sql`create table test.kept (n integer)`);
    await first.database('test').rows(sql`insert into test.kept values (1)`);
    await expect(openEmbedded({ folder })).rejects.toMatchObject({ code: 'database_locked' });
    await first.close();

    const second = await openEmbedded({ folder });
    expect(await second.database('test').rows(sql`select n from test.kept`)).toEqual([{ n: 1 }]);
    expect(await migrate(second, 'test', ['platform'])).toEqual([]);
    expect(await pendingMigrations(second, 'test', ['platform'])).toEqual([]);
    await second.close();
  });

  it('makes no new shop where a restore was cut off', async () => {
    const cutOff = join(folder, 'cut-off');
    await mkdir(join(cutOff, RESTORING), { recursive: true });
    await expect(openEmbedded({ folder: cutOff })).rejects.toMatchObject({ code: 'restore_unfinished' });
    await expect(stat(join(cutOff, 'postgres'))).rejects.toMatchObject({ code: 'ENOENT' });
    // Refused, it keeps nobody else out either.
    lockFolder(cutOff).close();
  });

  it('keeps every acknowledged commit when its process is killed', async () => {
    const writer = `
      import { sql } from 'drizzle-orm';
      import { openEmbedded } from ${JSON.stringify(join(import.meta.dirname, 'embedded.ts'))};
      const database = (await openEmbedded({ folder: process.argv[1] })).database('test');
      for (let n = 100; ; n += 1) {
        await database.transaction((tx) => tx.rows(sql\`insert into test.kept values (\${n}::int)\`));
        console.log(n);
      }`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', writer, folder], {
      cwd: import.meta.dirname,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let acknowledged = 0;
    for await (const line of createInterface({ input: child.stdout })) {
      acknowledged = Number(line);
      if (acknowledged === 250) child.kill('SIGKILL');
    }
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    expect(acknowledged).toBeGreaterThanOrEqual(250);

    const engine = await openEmbedded({ folder });
    const [row] = await engine.database('test').rows<{ lost: number }>(sql`
      select count(*)::int as lost from generate_series(100, ${acknowledged}::int) as n
      where n not in (select n from test.kept)`);
    expect(row).toEqual({ lost: 0 });
    await engine.close();
  });

  it('keeps others on the machine out of its files, in a folder that they may enter too', async () => {
    const open = join(folder, 'entered');
    await mkdir(open, { mode: 0o755 });
    const engine = await openEmbedded({ folder: open });
    expect((await stat(join(open, 'postgres'))).mode & 0o777).toBe(0o700);
    await engine.close();
  });

  it('is opened anew after a panic, and has what was committed and nothing else', async () => {
    const panicked = join(folder, 'panicked');
    const engine = await openEmbedded({ folder: panicked });
    const database = engine.database('public');
    await database.rows(sql`create table kept (n integer)`);
    await database.rows(sql`insert into kept values (1)`);
    // A checkpoint wants to write a file here, and panics as it does on a full disk.
    const trap = join(panicked, 'postgres/pg_logical/replorigin_checkpoint.tmp');
    await mkdir(trap);
    const passedOver = database.transaction(async (tx) => {
      await tx.rows(sql`insert into kept values (2)`);
      await expect(tx.rows(sql`checkpoint`)).rejects.toMatchObject({ code: 'database_unavailable' });
      await tx.rows(sql`insert into kept values (3)`);
    });
    await expect(passedOver).rejects.toMatchObject({ code: 'database_unavailable' });
    await rmdir(trap);
    expect(await database.rows(sql`select n from kept`)).toEqual([{ n: 1 }]);
    await database.rows(sql`insert into kept values (4)`);
    await engine.close();

    const again = await openEmbedded({ folder: panicked });
    expect(await again.database('public').rows(sql`select n from kept`)).toEqual([{ n: 1 }, { n: 4 }]);
    await again.close();
  });

  it('does not hang when it panics in the middle of a commit', async () => {
    const panicked = join(folder, 'panicked-in-commit');
    const engine = await openEmbedded({ folder: panicked });
    const database = engine.database('public');
    await database.rows(sql`create table kept (n integer, noise text)`);
    // Where the log goes on after its first 16 MiB. On a full disk there is no room for that file.
    const traps = [2, 3].map((n) => join(panicked, `postgres/pg_wal/00000001000000000000000${n}`));
    for (const trap of traps) await mkdir(trap, { recursive: true });
    let acknowledged = 0;
    const fill = async () => {
      for (; acknowledged < 1_000; acknowledged += 1) {
        await database.rows(sql`insert into kept values (${acknowledged},
          (select string_agg(gen_random_uuid()::text, '') from generate_series(1, 10000)))`);
      }
    };
    await expect(fill()).rejects.toMatchObject({ code: 'database_unavailable' });
    for (const trap of traps) await rmdir(trap);
    const [kept] = await database.rows<{ n: number }>(sql`select count(*)::int as n from kept`);
    expect(kept!.n).toBeGreaterThanOrEqual(acknowledged);
    await engine.close();
  });

  it('says of a folder whose database does not open which one it is, and lets it go', async () => {
    const broken = join(folder, 'broken');
    await mkdir(join(broken, 'postgres'), { recursive: true });
    await writeFile(join(broken, 'postgres/PG_VERSION'), '18');
    await expect(openEmbedded({ folder: broken })).rejects.toMatchObject({
      code: 'database_unavailable',
      cause: { message: expect.stringContaining(`${broken} does not open`) },
    });
    lockFolder(broken).close();
  });

  it('lets timers and sockets have their turn during a long row of transactions', async () => {
    const engine = await openEmbedded({});
    const database = engine.database('public');
    let turns = 0;
    const timer = setInterval(() => {
      turns += 1;
    }, 1);
    for (let n = 0; n < 5_000 && turns < 3; n += 1) {
      await database.transaction((tx) => tx.rows(sql`select ${n}::int`));
    }
    clearInterval(timer);
    expect(turns).toBe(3);
    await engine.close();
  });

  it('flushes to disk with each commit', async () => {
    let flushes = 0;
    const client = await PGlite.create({
      fs: new DurableFolder(join(folder, 'flushed'), () => {
        flushes += 1;
      }),
      startParams: durableStartParams,
    });
    await client.exec('create table t (n integer)');
    flushes = 0;
    for (let n = 0; n < 10; n += 1) await client.query('insert into t values ($1)', [n]);
    expect(flushes).toBeGreaterThanOrEqual(10);
    await client.close();
  });
});

describe('database handle', () => {
  it('refuses a query, and a second transaction, inside a transaction', async () => {
    const engine = await openEmbedded({});
    const database = engine.database('public');
    const nested = database.transaction(() => database.rows(sql`select 1`));
    await expect(nested).rejects.toThrow('query on the outer handle inside a transaction');
    const twice = database.transaction(() => database.transaction(async () => 1));
    await expect(twice).rejects.toThrow('transaction inside a transaction');
    const builder = database.transaction(async () => database.db.execute(sql`select 1`));
    await expect(builder).rejects.toThrow('query on the outer handle inside a transaction');
    await engine.close();
  });

  it('goes on after a statement that fails, in and outside a transaction', async () => {
    const engine = await openEmbedded({});
    const database = engine.database('public');
    const divide = (by: number) => database.rows<{ n: number }>(sql`select 10 / ${by}::int as n`);
    await expect(database.rows(sql`select nothing from nowhere`)).rejects.toMatchObject({ code: '42P01' });
    await expect(divide(0)).rejects.toMatchObject({ code: '22012' });
    expect(await divide(5)).toEqual([{ n: 2 }]);
    const failed = database.transaction((tx) => tx.rows(sql`select 1 / 0`));
    await expect(failed).rejects.toMatchObject({ code: '22012' });
    expect(await divide(2)).toEqual([{ n: 5 }]);
    // Who passes over a failed statement has lost the whole transaction, and must not take it for committed.
    const passedOver = database.transaction(async (tx) => {
      await tx.rows(sql`select 1 / 0`).catch(() => undefined);
    });
    await expect(passedOver).rejects.toMatchObject({ code: '22012' });
    expect(await divide(1)).toEqual([{ n: 10 }]);
    await engine.close();
  });

  it('keeps a bounded number of prepared statements, and all of them right', async () => {
    const engine = await openEmbedded({});
    const database = engine.database('public');
    const select = (n: number) => database.rows<{ n: number }>(sql.raw(`select ${n} as n`));
    for (let n = 0; n < EMBEDDED_STATEMENTS + 20; n += 1) expect(await select(n)).toEqual([{ n }]);
    expect(await select(0)).toEqual([{ n: 0 }]);
    const [row] = await database.rows<{ kept: number }>(
      sql`select count(*)::int as kept from pg_prepared_statements`,
    );
    expect(row!.kept).toBeLessThanOrEqual(EMBEDDED_STATEMENTS + 1);
    await engine.close();
  });

  it('runs hooks after a commit only, and gives the types it promises', async () => {
    const engine = await openEmbedded({});
    const database = engine.database('public');
    const trail: string[] = [];
    await database.transaction(async (tx) => {
      tx.onCommit(() => trail.push('hook'));
      trail.push('work');
    });
    const failed = database.transaction(async (tx) => {
      tx.onCommit(() => trail.push('never'));
      throw new Error('rolled back');
    });
    await expect(failed).rejects.toThrow('rolled back');
    expect(trail).toEqual(['work', 'hook']);
    const [row] = await database.rows(sql`select 9007199254740991::bigint as big, '{"a": [1]}'::jsonb as json,
      '2026-01-02T03:04:05.678Z'::timestamptz as at`);
    expect(row).toEqual({ big: Number.MAX_SAFE_INTEGER, json: { a: [1] }, at: expect.any(String) });
    await expect(database.rows(sql`select 9007199254740992::bigint as big`)).rejects.toThrow('2^53');
    await engine.close();
  });
});
