import { createHash } from 'node:crypto';
import { sql } from 'drizzle-orm';
import { listAssets, readAsset } from '../assets.ts';
import { AppError, invariant } from '../errors.ts';
import {
  IDLE_IN_TRANSACTION_TIMEOUT_MS,
  LOCK_TIMEOUT_MS,
  MIGRATION_LOCK_MS,
  STATEMENT_TIMEOUT_MS,
} from '../limits.ts';
import type { Engine, ScriptSession } from './engine.ts';
import { lockRoles } from './roles.ts';

/** Postgres's code for a lock that did not come in `lock_timeout`. */
const LOCK_NOT_AVAILABLE = '55P03';

interface Migration {
  /** `<set>/<file>`, as `product/0001_catalogue.sql`. */
  readonly name: string;
  readonly script: string;
  readonly hash: string;
}

function readMigrations(set: string): Migration[] {
  return listAssets(`drizzle/${set}`)
    .filter((file) => file.endsWith('.sql'))
    .map((file) => {
      const script = readAsset(`drizzle/${set}/${file}`).toString();
      return { name: `${set}/${file}`, script, hash: createHash('sha256').update(script).digest('hex') };
    });
}

/** The sets of migrations that make a module's schema: the platform's tables, then the module's own. */
export function migrationSets(module: string): readonly string[] {
  return ['platform', module];
}

/** The migrations that make a module's schema in this version, in their order. */
export function migrationNames(module: string): string[] {
  return migrationSets(module)
    .flatMap(readMigrations)
    .map(({ name }) => name);
}

/**
 * Brings one schema up to date with these sets (folders below drizzle/), each file once, all in
 * one transaction under a lock, so that several starting processes do it once. The journal is the table
 * `migration` in the same schema. A merged file that was edited afterwards is refused, since shops that ran the
 * old text would silently differ. Returns the names of the files it applied.
 *
 * Processes of the release before may trade meanwhile. Where another session, as a dump's, holds a table for long, it
 * rejects with `migration_blocked` (unavailable) and nothing is applied; it may be tried again.
 */
export async function migrate(engine: Engine, schema: string, sets: readonly string[]): Promise<string[]> {
  const migrations = sets.flatMap(readMigrations);
  const applied: string[] = [];
  await engine.script(async (session) => {
    const name = sql.identifier(schema);
    await session.rows(sql`select pg_advisory_xact_lock(hashtext(${`migrate:${schema}`}))`);
    // Looked up first: a login that may not make schemas is refused even one that is there.
    const [found] = await session.rows<{ there: boolean }>(
      sql`select to_regnamespace(${`"${schema}"`}::text) is not null as there`,
    );
    if (!found?.there) await session.rows(sql`create schema ${name}`);
    if (engine.kind === 'postgres') await setTimeouts(session);
    await session.rows(sql`
      create table if not exists ${name}.migration (
        name text primary key, hash text not null, at timestamptz not null default now())`);
    const journal = await session.rows<{ name: string; hash: string }>(
      sql`select name, hash from ${name}.migration`,
    );
    const known = new Map(journal.map((row) => [row.name, row.hash]));
    await session.rows(sql`select set_config('search_path', ${schema}, true)`);
    // Only from here on: another process that migrates is waited for above, however long it takes.
    if (engine.kind === 'postgres')
      await session.rows(sql`select set_config('lock_timeout', ${String(MIGRATION_LOCK_MS)}, true)`);
    for (const migration of migrations) {
      const hash = known.get(migration.name);
      invariant(
        hash === undefined || hash === migration.hash,
        `migration ${migration.name} is unchanged since it was applied`,
      );
      if (hash !== undefined) continue;
      await apply(session, schema, migration);
      applied.push(migration.name);
    }
  });
  return applied;
}

/** Gives the login that migrates, which is the module's own, its timeouts in this database for every session to come. */
async function setTimeouts(session: ScriptSession): Promise<void> {
  const timeouts = {
    statement_timeout: STATEMENT_TIMEOUT_MS,
    lock_timeout: LOCK_TIMEOUT_MS,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_TIMEOUT_MS,
  };
  const [row] = await session.rows<{ database: string; known: string[] | null }>(sql`
    select current_database() as database, (
      select to_jsonb(s.setconfig) from pg_db_role_setting s
      join pg_roles r on r.oid = s.setrole join pg_database d on d.oid = s.setdatabase
      where r.rolname = current_user and d.datname = current_database()) as known`);
  const known = row?.known ?? [];
  const changed = Object.entries(timeouts).filter(([name, ms]) => !known.includes(`${name}=${ms}`));
  // Modules with one login between them are perhaps migrated by several processes now.
  if (changed.length > 0) await session.rows(lockRoles);
  for (const [name, ms] of changed) {
    await session.exec(
      `alter role current_user in database "${row?.database.replaceAll('"', '""')}" set ${name} = ${ms}`,
    );
  }
}

/** The files that `migrate` would apply. */
export async function pendingMigrations(
  engine: Engine,
  schema: string,
  sets: readonly string[],
): Promise<string[]> {
  let known = new Set<string>();
  await engine.script(async (session) => {
    const [journal] = await session.rows<{ there: boolean }>(
      sql`select to_regclass(${`${schema}.migration`}) is not null as there`,
    );
    if (!journal?.there) return;
    const rows = await session.rows<{ name: string }>(
      sql`select name from ${sql.identifier(schema)}.migration`,
    );
    known = new Set(rows.map((row) => row.name));
  });
  return sets
    .flatMap(readMigrations)
    .map((file) => file.name)
    .filter((name) => !known.has(name));
}

async function apply(session: ScriptSession, schema: string, migration: Migration): Promise<void> {
  await session.exec(migration.script).catch((cause: { cause?: { code?: unknown } }) => {
    if (cause.cause?.code !== LOCK_NOT_AVAILABLE) throw cause;
    throw new AppError(
      'unavailable',
      'migration_blocked',
      `${migration.name} waits for a table of ${schema} that another session holds, perhaps a dump; nothing was applied`,
      { cause },
    );
  });
  await session.rows(sql`
    insert into ${sql.identifier(schema)}.migration (name, hash) values (${migration.name}, ${migration.hash})`);
}
