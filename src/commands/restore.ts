import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import type { Config } from '../config.ts';
import type { BackupManifest } from '../database/backup.ts';
import { checkRows, refuseNewer, syncFolder, unpackInto } from '../database/backup-restore.ts';
import { lockFolder, RESTORING } from '../database/embedded-folder.ts';
import { migrationNames } from '../database/migrate.ts';
import { isAppError } from '../errors.ts';
import type { Logger } from '../telemetry/log.ts';
import { printFindings } from './audit.ts';
import { requireEmbedded } from './backup.ts';
import { CommandError, exitCodes } from './exit-codes.ts';
import { loadShop } from './load-shop.ts';
import { addSettings, commandLog, configOf } from './setting-options.ts';
import { formatCount, print } from './terminal.ts';

/** What a backup puts into the folder. The database comes last and goes first: without one no shop opens here. */
const PARTS = ['mail', 'postgres'];

export function addRestore(program: Command): void {
  const command = program
    .command('restore')
    .description('make a shop of a backup, in a folder that has none')
    .argument('<file>', 'what `banyan backup` wrote')
    .option('--force', 'move a shop that is in the folder aside, into a folder beside its files')
    .addHelpText(
      'after',
      `
Checks every byte, opens the database, sees that it has the rows that it had, brings it up to this version, and audits
it. Only then it is put in place; a file that is damaged, cut off, or of a later version changes nothing. Exit code 1
when the shop that was backed up broke an invariant: it is restored all the same.

Examples:
  banyan restore shop.tar.gz --data-dir /var/lib/banyan
  banyan restore shop.tar.gz --force   # ./data goes aside`,
    );
  addSettings(command, ['DATA_DIR', 'LOG_LEVEL', 'RUN_ENV']).action(
    async (name: string, { force = false }: { force?: boolean }) => {
      const config = configOf(command);
      requireEmbedded(config, 'pg_restore or a restored pg_basebackup');
      const file = resolve(name);
      const findings = await restore(file, config, { force, log: commandLog(command) });
      if (findings > 0) process.exitCode = exitCodes.failed;
    },
  );
}

/** Restores and prints what came of it; resolves with how much the audit found. */
async function restore(
  file: string,
  config: Config,
  { force, log }: { force: boolean; log: Logger },
): Promise<number> {
  const { dataDir } = config;
  if (!existsSync(file)) throw new CommandError(exitCodes.noInput, `${file} cannot be read`);
  const isNew = !existsSync(dataDir);
  // No shop can be opened here from now on.
  const lock = lockFolder(dataDir);
  // On the same file system, so that it is put in place by renaming.
  const draft = join(dataDir, RESTORING);
  let isPlaced = false;
  try {
    const taken = PARTS.filter((part) => existsSync(join(dataDir, part)));
    if (taken.length > 0 && !force) {
      throw new CommandError(
        exitCodes.cannotCreate,
        `there is a shop in ${dataDir}; --force moves it aside, or name a new folder by --data-dir`,
      );
    }
    // Of a restore that was killed.
    await rm(draft, { recursive: true, force: true });
    const manifest = await unpack(draft, file);
    const findings = await auditDraft({ ...config, dataDir: draft }, log);
    const aside = taken.length > 0 ? await moveAside(dataDir, taken.toReversed()) : undefined;
    for (const part of PARTS.filter((each) => existsSync(join(draft, each)))) {
      await rename(join(draft, part), join(dataDir, part));
    }
    await syncFolder(dataDir);
    isPlaced = true;
    if (aside !== undefined) print(`the shop that was there is in ${aside}`);
    const rows = Object.values(manifest.rows).reduce((total, count) => total + count, 0);
    print(`restored: ${dataDir}, as of ${manifest.at}, ${formatCount(rows)} rows`);
    return findings;
  } finally {
    await rm(draft, { recursive: true, force: true });
    lock.close();
    if (isNew && !isPlaced) await rm(dataDir, { recursive: true, force: true });
  }
}

async function unpack(draft: string, file: string): Promise<BackupManifest> {
  const { allModules } = await loadShop();
  const known = new Map(allModules.map(({ contract, schema }) => [schema, migrationNames(contract.module)]));
  try {
    const manifest = await unpackInto(draft, file);
    refuseNewer(manifest, known);
    await checkRows(draft, manifest);
    return manifest;
  } catch (error) {
    if (isAppError(error))
      throw new CommandError(exitCodes.badData, `${file} is not restored: ${error.message}`);
    const { syscall, message } = error as NodeJS.ErrnoException;
    if (syscall === undefined) throw error;
    throw new CommandError(exitCodes.cannotCreate, `${file} cannot be restored: ${message}`, {
      cause: error,
    });
  }
}

/** Opens the shop, which brings an older one up to date, and audits it; resolves with how much that found. */
async function auditDraft(config: Config, log: Logger): Promise<number> {
  const { createShop } = await loadShop();
  const own = { redisUrl: undefined, modules: undefined, peers: {}, migrate: 'auto' } as const;
  const shop = await createShop({ config: { ...config, ...own }, log });
  try {
    return await printFindings(shop.audit());
  } finally {
    await shop.stop();
  }
}

async function moveAside(dataDir: string, parts: readonly string[]): Promise<string> {
  const aside = join(dataDir, `replaced-${new Date().toISOString().replaceAll(/[:.]/g, '-')}`);
  await mkdir(aside, { mode: 0o700 });
  for (const part of parts) await rename(join(dataDir, part), join(aside, part));
  return aside;
}
