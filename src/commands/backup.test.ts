import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { openEmbedded } from '../database/embedded.ts';
import { smallCatalogue, smallTrade } from '../testing/small-trade.ts';
import { banyan, runBanyan, type ShopProcess, spawnShop } from '../testing/spawn-banyan.ts';
import { createApiClient } from './api-client.ts';
import { importCatalogue } from './import-catalogue.ts';
import { createProgress } from './progress.ts';
import { replayTrade } from './replay-trade.ts';
import { signIn } from './session.ts';

const admin = { email: 'admin@example.com', password: 'correct horse battery' };
const env = {
  ADMIN_EMAIL: admin.email,
  ADMIN_PASSWORD: admin.password,
  RATE_LIMIT: 'off',
  LOG_LEVEL: 'warn',
};

let folder: string;
let dataDir: string;
let shop: ShopProcess;

const inFolder = (name: string) => join(folder, name);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'banyan-backup-command-'));
  dataDir = inFolder('data');
  shop = await spawnShop(dataDir, env);
  const client = createApiClient(shop.control.url, 60_000);
  const staff = await signIn(client, admin);
  await importCatalogue(
    client,
    staff,
    new Blob([smallCatalogue]),
    createProgress({ label: 'import', unit: 'lines' }),
  );
});

afterAll(() => {
  shop?.child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

/** One for all tests that only read it. */
async function wholeBackup(): Promise<string> {
  const file = inFolder('whole.tar.gz');
  if (existsSync(file)) return file;
  expect((await runBanyan(['backup', file, '--data-dir', dataDir])).code).toBe(0);
  return file;
}

/** Trades through the shop; `onOrder` hears how many orders are paid. */
async function trade(count: number, onOrder: (done: number) => void = () => undefined): Promise<string[]> {
  const result = await replayTrade({
    client: createApiClient(shop.control.url, 60_000),
    orders: smallTrade(count),
    currency: 'GBP',
    concurrency: 4,
    startTrading: () => ({ update: onOrder, finish: () => undefined }),
  });
  return result.orders.flatMap(({ orderId }) => orderId ?? []);
}

describe('banyan backup and restore', () => {
  it('copies a trading shop: what was answered before is there, and no invariant is broken', async () => {
    const file = inFolder('trading.tar.gz');
    const before = await trade(20);
    const paid = Promise.withResolvers<void>();
    const trading = trade(80, (done) => {
      if (done > 25) paid.resolve();
    });
    await paid.promise;
    const backup = await runBanyan(['backup', file, '--data-dir', dataDir]);
    await trading;
    expect(backup).toMatchObject({ code: 0, out: expect.stringContaining(file) });
    expect(statSync(file).mode & 0o777).toBe(0o600);

    const copy = inFolder('copy');
    const restored = await runBanyan(['restore', file, '--data-dir', copy]);
    expect(restored).toMatchObject({ code: 0, out: expect.stringContaining('every invariant holds') });
    expect(readdirSync(copy).filter((name) => !name.startsWith('lock'))).toEqual(['mail', 'postgres']);
    const engine = await openEmbedded({ folder: copy });
    const orders = await engine
      .database('orders')
      .rows<{ id: string }>(sql`select id from orders.order_view`);
    await engine.close();
    expect(orders.map(({ id }) => id)).toEqual(expect.arrayContaining(before));
    // It is a shop like any other.
    const running = await spawnShop(copy, env);
    const client = createApiClient(running.control.url, 60_000);
    await signIn(client, admin);
    expect(await running.end('SIGTERM')).toBe(0);
  });

  it('replaces no file and no shop unless it is told to', async () => {
    const file = inFolder('once.tar.gz');
    writeFileSync(file, 'precious');
    const refused = await runBanyan(['backup', file, '--data-dir', dataDir]);
    expect(refused).toMatchObject({ code: 73, err: expect.stringContaining('--force') });
    expect(readFileSync(file, 'utf8')).toBe('precious');
    expect((await runBanyan(['backup', file, '--force', '--data-dir', dataDir])).code).toBe(0);

    const other = inFolder('other');
    mkdirSync(join(other, 'postgres'), { recursive: true });
    writeFileSync(join(other, 'postgres/old'), 'precious');
    expect((await runBanyan(['restore', file, '--data-dir', other])).code).toBe(73);
    const forced = await runBanyan(['restore', file, '--force', '--data-dir', other]);
    expect(forced.code).toBe(0);
    const [aside] = readdirSync(other).filter((name) => name.startsWith('replaced-'));
    expect(readFileSync(join(other, aside!, 'postgres/old'), 'utf8')).toBe('precious');
    expect(existsSync(join(other, 'postgres/PG_VERSION'))).toBe(true);
  });

  it('restores into no folder on which a shop runs, and nothing of a file that is damaged', async () => {
    const file = await wholeBackup();
    expect((await runBanyan(['restore', file, '--force', '--data-dir', dataDir])).code).toBe(69);
    const torn = inFolder('torn.tar.gz');
    writeFileSync(torn, readFileSync(file).subarray(0, statSync(file).size / 2));
    const nowhere = inFolder('nowhere');
    expect((await runBanyan(['restore', torn, '--data-dir', nowhere])).code).toBe(65);
    expect((await runBanyan(['restore', inFolder('missing'), '--data-dir', nowhere])).code).toBe(66);
    expect((await runBanyan(['backup', inFolder('none'), '--data-dir', nowhere])).code).toBe(66);
    expect(existsSync(nowhere)).toBe(false);
  });

  it('gives a file its name only when it is whole: not by kill -9, and the shop goes on', async () => {
    const file = inFolder('killed.tar.gz');
    const child = spawn(banyan, ['backup', file, '--data-dir', dataDir], {
      env: { PATH: process.env.PATH ?? '' },
      stdio: 'ignore',
    });
    const begun = () => readdirSync(folder).some((name) => name.startsWith('killed.tar.gz.'));
    await vi.waitFor(() => expect(begun()).toBe(true), { timeout: 30_000, interval: 5 });
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
    expect(existsSync(file)).toBe(false);
    // Its reader is gone, so the next one may begin.
    await vi.waitFor(
      async () => expect((await runBanyan(['backup', file, '--data-dir', dataDir])).code).toBe(0),
      { timeout: 30_000 },
    );
  });

  // Only root may mount a disk, and not in every container; CI runs as root.
  it.skipIf(!canMount())('leaves nothing on a disk that is full', async () => {
    const disk = inFolder('disk');
    execFileSync('mkdir', [disk]);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=512k', 'tmpfs', disk]);
    onTestFinished(() => void execFileSync('umount', ['-l', disk]));
    const full = await runBanyan(['backup', join(disk, 'full.tar.gz'), '--data-dir', dataDir]);
    expect(full).toMatchObject({ code: 73, err: expect.stringContaining('ENOSPC') });
    expect(readdirSync(disk)).toEqual([]);
    const file = await wholeBackup();
    expect((await runBanyan(['restore', file, '--data-dir', join(disk, 'data')])).code).toBe(73);
    expect(readdirSync(disk)).toEqual([]);
  });

  it('is for the embedded database, and says what to use on Postgres', async () => {
    for (const [command, tool] of [
      ['backup', 'pg_dump'],
      ['restore', 'pg_restore'],
    ] as const) {
      const refused = await runBanyan([command, inFolder('x')], {
        DATABASE_URL: 'postgres://shop@localhost/shop',
      });
      expect(refused).toMatchObject({ code: 78, err: expect.stringContaining(tool) });
    }
  });
});

function canMount(): boolean {
  const place = mkdtempSync(join(tmpdir(), 'banyan-mount-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', place], { stdio: 'ignore' });
    execFileSync('umount', [place]);
    return true;
  } catch {
    return false;
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}
