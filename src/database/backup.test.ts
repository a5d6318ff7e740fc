import {
  createWriteStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { gunzipSync, gzipSync } from 'node:zlib';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { sleep } from '../deadline.ts';
import { backupEntries, MANIFEST } from './backup.ts';
import { packBackup } from './backup-archive.ts';
import { checkRows, refuseNewer, unpackInto, verifyBackup } from './backup-restore.ts';
import type { Database } from './database.ts';
import { openEmbedded } from './embedded.ts';
import { logFilesBetween } from './embedded-log.ts';
import type { Engine } from './engine.ts';
import type { TarEntry } from './tar.ts';

let folder: string;
let dataDir: string;
let engine: Engine;
let database: Database;
let made = 0;

const fileIn = (name: string) => join(folder, name);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'banyan-backup-'));
  dataDir = fileIn('data');
  engine = await openEmbedded({ folder: dataDir, checkpointMs: 50 });
  database = engine.database('public');
  await database.rows(sql`create table kept (n int primary key, filler text)`);
  await database.rows(sql`create table migration (name text)`);
  await database.rows(sql`insert into migration values ('platform/0001_first.sql')`);
});

afterAll(async () => {
  await engine.close();
  rmSync(folder, { recursive: true });
});

function pack(): AsyncIterable<Buffer> {
  return packBackup(backupEntries(engine, { dataDir, version: '1.2.3' }));
}

/** Makes one; its name. */
async function backUp(source = pack()): Promise<string> {
  made += 1;
  const file = fileIn(`${made}.tar.gz`);
  await pipeline(source, createWriteStream(file));
  return file;
}

async function add(from: number, to: number): Promise<void> {
  await database.rows(
    sql`insert into kept select n, repeat(md5(n::text), 60) from generate_series(${from}::int, ${to}::int) n`,
  );
}

/** What an archive holds is what is given, with its digests; for archives that nobody would make. */
async function packFiles(files: Readonly<Record<string, string>>): Promise<string> {
  async function* entries(): AsyncIterable<TarEntry> {
    for (const [name, text] of Object.entries(files)) {
      const content = Buffer.from(text);
      yield {
        name,
        type: 'file',
        size: content.length,
        content: (async function* () {
          yield content;
        })(),
      };
    }
  }
  return await backUp(packBackup(entries()));
}

describe('a backup', () => {
  it('made amid writes holds what was committed before it, and is whole', async () => {
    mkdirSync(join(dataDir, 'mail'));
    writeFileSync(join(dataDir, 'mail/1.eml'), 'Dear customer');
    writeFileSync(join(dataDir, 'mail/2.eml.part'), 'Dear');
    writeFileSync(join(dataDir, 'mail/Re: what an operator kept.eml'), 'Dear colleague');
    mkdirSync(join(dataDir, 'mail/old.eml'));
    await add(1, 5_000);
    let next = 5_001;
    let isWriting = true;
    const writing = (async () => {
      for (; isWriting; next += 100) {
        // In one statement, so that of each hundred all are there or none.
        await add(next, next + 99);
        await database.rows(sql`update kept set filler = 'changed' where n < 100`);
        await sleep(5);
      }
    })();
    const file = await backUp();
    isWriting = false;
    await writing;

    const restored = fileIn('restored');
    const manifest = await unpackInto(restored, file);
    expect(manifest).toEqual(await verifyBackup(file));
    expect(manifest).toMatchObject({ version: '1.2.3', postgres: '18' });
    expect(manifest.migrations).toEqual({ public: ['platform/0001_first.sql'] });
    expect(manifest.rows['public.kept']).toBeGreaterThan(5_000);
    await checkRows(restored, manifest);
    await expect(
      checkRows(restored, { ...manifest, rows: { ...manifest.rows, 'public.kept': 1 } }),
    ).rejects.toMatchObject({ code: 'backup_damaged' });
    expect(readdirSync(join(restored, 'mail'))).toEqual(['1.eml']);

    const copy = await openEmbedded({ folder: restored });
    const rows = await copy.database('public').rows<{ n: number }>(sql`select n from kept order by n`);
    await copy.close();
    expect(rows.map(({ n }) => n)).toEqual(rows.map((_, index) => index + 1));
    expect((rows.length - 5_000) % 100).toBe(0);
  });

  it('is made one at a time, and lets the next one begin when its reader leaves', async () => {
    const first = pack()[Symbol.asyncIterator]();
    await first.next();
    await expect(backUp()).rejects.toMatchObject({ code: 'backup_running' });
    await first.return?.();
    await vi.waitFor(backUp, { timeout: 20_000 });
  });

  it('is not what is no archive at all', async () => {
    const file = fileIn('letter.txt');
    writeFileSync(file, 'Dear shop,');
    await expect(verifyBackup(file)).rejects.toMatchObject({
      code: 'backup_damaged',
      message: 'it is no backup',
    });
  });

  it('that was altered anywhere, or cut off, is refused', async () => {
    const file = await backUp();
    const bytes = readFileSync(file);
    const content = gunzipSync(bytes);
    const spoilt = fileIn('spoilt');
    for (const share of [0, 0.3, 0.9]) {
      const altered = Buffer.from(content);
      // What is zero may be filling, which nobody reads.
      const at = altered.findIndex((byte, index) => index >= altered.length * share && byte !== 0);
      altered[at]! ^= 0x10;
      writeFileSync(spoilt, gzipSync(altered, { level: 1 }));
      await expect(verifyBackup(spoilt)).rejects.toMatchObject({ code: 'backup_damaged' });
      writeFileSync(spoilt, bytes.subarray(0, Math.floor(bytes.length * share)));
      await expect(verifyBackup(spoilt)).rejects.toMatchObject({ code: 'backup_damaged' });
    }
    writeFileSync(spoilt, 'no archive');
    await expect(unpackInto(fileIn('never'), spoilt)).rejects.toMatchObject({ code: 'backup_damaged' });
  });

  it('that names a file outside of its folder is refused before that is written', async () => {
    for (const name of ['../outside', 'postgres/../../outside', '/etc/outside', 'control.json']) {
      const file = await packFiles({ [name]: 'x' });
      await expect(unpackInto(fileIn('inside'), file)).rejects.toMatchObject({ code: 'backup_damaged' });
      expect(existsSync(fileIn('outside'))).toBe(false);
    }
  });

  it('of a later version, or in a later form, is refused as such', async () => {
    const manifest = await verifyBackup(await backUp());
    expect(() => refuseNewer(manifest, new Map([['public', ['platform/0001_first.sql']]]))).not.toThrow();
    expect(() => refuseNewer(manifest, new Map([['public', []]]))).toThrow(/1\.2\.3.*platform\/0001_first/);
    const later = await packFiles({ [MANIFEST]: JSON.stringify({ ...manifest, format: 2 }) });
    await expect(verifyBackup(later)).rejects.toMatchObject({ code: 'backup_newer' });
  });
});

describe('the log of the embedded database', () => {
  it('is cut short from time to time', async () => {
    const logFiles = () => readdirSync(join(dataDir, 'postgres/pg_wal')).filter((name) => name.length === 24);
    const first = logFiles().sort()[0];
    await add(1_000_000, 1_020_000);
    await vi.waitFor(() => expect(logFiles()).not.toContain(first), 10_000);
  });

  it('has files that are numbered across the end of a row', () => {
    expect(logFilesBetween('0000000100000000000000FE', '000000010000000100000001')).toEqual([
      '0000000100000000000000FE',
      '0000000100000000000000FF',
      '000000010000000100000000',
      '000000010000000100000001',
    ]);
  });
});
