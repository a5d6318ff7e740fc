import { readFile, rename, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Database } from '../database/database.ts';
import { openEmbedded } from '../database/embedded.ts';
import type { Engine } from '../database/engine.ts';
import { migrate, migrationSets } from '../database/migrate.ts';
import { version } from '../version.ts';

/**
 * An empty database in memory. Making a cluster takes seconds, so the first test file leaves one as a template in
 * the system's temporary folder for the others.
 */
export async function openInMemory(): Promise<Engine> {
  const path = join(tmpdir(), `banyan-template-${version}-${process.versions.modules}.tar`);
  const template = await readFile(path).catch(() => undefined);
  if (template) return await openEmbedded({ template: new Blob([new Uint8Array(template)]) });
  const engine = await openEmbedded({});
  const dump = await engine.dump();
  // Renamed into place, so that two files starting together never see half a template.
  const part = `${path}.${process.pid}`;
  await writeFile(part, new Uint8Array(await dump.arrayBuffer()));
  await rename(part, path);
  return engine;
}

/** A database in memory with one module's schema, migrated, and nothing running on it. Close the engine when done. */
export async function openModuleDatabase(
  module: string,
  schema: string,
): Promise<{ engine: Engine; database: Database }> {
  return await openMigrated(schema, migrationSets(module));
}

/** The same with the platform's tables in the schema `test`, and no module. */
export async function openPlatformDatabase(): Promise<{ engine: Engine; database: Database }> {
  return await openMigrated('test', ['platform']);
}

async function openMigrated(schema: string, sets: readonly string[]) {
  const engine = await openInMemory();
  await migrate(engine, schema, sets);
  return { engine, database: engine.database(schema) };
}
