import { readFile, rename, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DatabaseConfig } from '../config.ts';
import type { Database } from '../database/database.ts';
import { openEmbedded } from '../database/embedded.ts';
import type { Engine } from '../database/engine.ts';
import { migrate, migrationSets } from '../database/migrate.ts';
import { openPostgres } from '../database/postgres.ts';
import type { PostgresLogin } from '../database/postgres-connection.ts';
import { loginOf, makeRoles } from '../database/roles.ts';
import { version } from '../version.ts';
import { createTestDatabase, type TestDatabase } from './test-database.ts';

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

/** Which engine this test run is on; vitest.config.ts sets it for a whole project. */
export const testEngine = process.env.BANYAN_TEST_ENGINE === 'postgres' ? 'postgres' : 'embedded';

/** One schema, migrated, with nothing running on it. Close the engine when done: that removes it as well. */
interface OpenedDatabase {
  readonly engine: Engine;
  readonly database: Database;
}

/** A module's schema, in memory or on a Postgres database of its own, where the module's own login reaches it. */
export async function openModuleDatabase(module: string, schema: string): Promise<OpenedDatabase> {
  if (testEngine === 'embedded')
    return await openMigrated(await openInMemory(), schema, migrationSets(module));
  const made = await createTestDatabase();
  const config = databaseConfig(made.url);
  await makeRoles(config, [{ module, schema }]);
  return await openMigrated(onPostgres(made, loginOf(config, module)), schema, migrationSets(module));
}

/** The same with the platform's tables in the schema `test`, and no module. */
export async function openPlatformDatabase(): Promise<OpenedDatabase> {
  if (testEngine === 'embedded') return await openMigrated(await openInMemory(), 'test', ['platform']);
  const made = await createTestDatabase();
  const login = { url: made.url, prepare: true, applicationName: 'banyan test' };
  return await openMigrated(onPostgres(made, login), 'test', ['platform']);
}

/** The configuration of a shop on this Postgres database. */
export function databaseConfig(url: string): DatabaseConfig {
  return { url, moduleUrls: {}, poolMax: 20, pooler: 'none' };
}

function onPostgres(made: TestDatabase, login: PostgresLogin): Engine {
  const engine = openPostgres(login, 10);
  return {
    ...engine,
    async close() {
      await engine.close();
      await made.drop();
    },
  };
}

async function openMigrated(
  engine: Engine,
  schema: string,
  sets: readonly string[],
): Promise<OpenedDatabase> {
  await migrate(engine, schema, sets);
  return { engine, database: engine.database(schema) };
}
