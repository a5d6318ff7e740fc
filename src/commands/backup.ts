import { existsSync, rmSync } from 'node:fs';
import { link, open, rename, rm, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { Command } from 'commander';
import type { Config } from '../config.ts';
import { backupEntries } from '../database/backup.ts';
import { packBackup } from '../database/backup-archive.ts';
import { syncFolder, verifyBackup } from '../database/backup-restore.ts';
import { version } from '../version.ts';
import { findRunningShop } from './control-client.ts';
import { CommandError, exitCodes } from './exit-codes.ts';
import { holdsShop } from './operate.ts';
import { addSettings, configOf } from './setting-options.ts';
import { formatCount, print } from './terminal.ts';

export function addBackup(program: Command): void {
  const command = program
    .command('backup')
    .description('copy a shop on the embedded database into one file, also while it runs')
    .argument('<file>', 'where to, as shop-2026-11-24.tar.gz')
    .option('--force', 'replace a file of that name')
    .addHelpText(
      'after',
      `
The file holds the database and mails written to files, as they were at one moment: every order that was answered
before the backup began is in it. It appears when it is whole and was read once more. It holds the shop's keys, and its
customers' data: keep it as safe as the shop. Settings and TLS files are not in it. A shop on Postgres is backed up by
Postgres' own tools; docs/backup.md says how.

Examples:
  banyan backup shop.tar.gz
  banyan backup --data-dir /var/lib/banyan "/backups/$(date +%F).tar.gz"`,
    );
  addSettings(command, ['DATA_DIR', 'LOG_LEVEL', 'RUN_ENV']).action(
    async (name: string, { force = false }: { force?: boolean }) => {
      const config = configOf(command);
      requireEmbedded(config, 'pg_dump or pg_basebackup');
      const file = resolve(name);
      if (!force && existsSync(file)) throw isThere(file);
      const startedMs = performance.now();
      await writeBackup(file, await openSource(config.dataDir), force);
      const { size } = await stat(file);
      const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
      print(`backup: ${file}, ${formatCount(size)} bytes, in ${seconds} s`);
    },
  );
}

/** Refuses what only the embedded database has; `instead` does it on Postgres. */
export function requireEmbedded({ database }: Config, instead: string): void {
  if (database === undefined) return;
  throw new CommandError(
    exitCodes.config,
    `the shop is on Postgres, and this is for the embedded database: use ${instead} (docs/backup.md)`,
  );
}

/** From the shop that runs on the folder, or from the folder when none does; its version does not matter then. */
async function openSource(dataDir: string): Promise<AsyncIterable<Uint8Array>> {
  const running = await findRunningShop(dataDir);
  if (running !== undefined) return running.backup();
  if (!holdsShop(dataDir)) throw new CommandError(exitCodes.noInput, `there is no shop in ${dataDir}`);
  return backupOfFolder(dataDir);
}

async function* backupOfFolder(dataDir: string): AsyncIterable<Uint8Array> {
  const { openEmbedded } = await import('../database/embedded.ts');
  const engine = await openEmbedded({ folder: dataDir });
  try {
    yield* packBackup(backupEntries(engine, { dataDir, version }));
  } finally {
    await engine.close();
  }
}

/** Under its own name it appears whole and on the disk, or not at all. */
async function writeBackup(file: string, source: AsyncIterable<Uint8Array>, force: boolean): Promise<void> {
  const draft = `${file}.${process.pid}.part`;
  process.once('SIGINT', () => {
    rmSync(draft, { force: true });
    process.exit(130);
  });
  try {
    await writeDraft(draft, source);
    await verifyBackup(draft);
    // A link is refused where a file has appeared meanwhile; a rename replaces it.
    if (force) await rename(draft, file);
    else await link(draft, file);
    await syncFolder(dirname(file));
  } catch (error) {
    const { code, syscall, message } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') throw isThere(file);
    if (syscall === undefined) throw error;
    throw new CommandError(exitCodes.cannotCreate, `${file} cannot be written: ${message}`, { cause: error });
  } finally {
    await rm(draft, { force: true });
  }
}

/** For its owner only: it holds the shop's keys. */
async function writeDraft(draft: string, source: AsyncIterable<Uint8Array>): Promise<void> {
  const file = await open(draft, 'wx', 0o600);
  try {
    for await (const chunk of source) await file.writeFile(chunk);
    await file.sync();
  } finally {
    await file.close();
  }
}

function isThere(file: string): CommandError {
  return new CommandError(exitCodes.cannotCreate, `${file} is there already; --force replaces it`);
}
