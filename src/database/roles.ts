import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import { sql } from 'drizzle-orm';
import type { DatabaseConfig } from '../config.ts';
import { AppError } from '../errors.ts';
import type { ScriptSession } from './engine.ts';
import { openPostgres } from './postgres.ts';
import type { PostgresLogin } from './postgres-connection.ts';
import { jsonRows } from './sql.ts';

/** A module and the schema it owns. */
export interface SchemaOwner {
  readonly module: string;
  readonly schema: string;
}

/** Postgres cuts longer names off. */
const NAME_BYTES = 63;

/** The login by which a module reaches its schema: the one in its own URL, or one made for it in DATABASE_URL. */
export function loginOf(database: DatabaseConfig, module: string): PostgresLogin {
  const common = { prepare: database.pooler === 'none', applicationName: `banyan ${module}` };
  const own = database.moduleUrls[module];
  if (own !== undefined) return { url: own, ...common };
  const url = sharedUrl(database);
  return { url, user: roleOf(url, module), password: passwordOf(url, module), ...common };
}

/** `<database>_<module>`, so that several shops on one server have roles of their own. */
function roleOf(url: string, module: string): string {
  const database = decodeURIComponent(new URL(url).pathname.slice(1));
  const name = `${database}_${module}`;
  if (Buffer.byteLength(name) <= NAME_BYTES) return name;
  return `banyan_${createHash('sha256').update(database).digest('hex').slice(0, 16)}_${module}`;
}

/**
 * A module's password follows from the one in DATABASE_URL, so that every process knows it and nobody keeps it.
 * Without a password there, as under `trust`, the role gets none either: one could be guessed.
 */
function passwordOf(url: string, module: string): string | undefined {
  const key = decodeURIComponent(new URL(url).password);
  if (key === '') return undefined;
  return createHmac('sha256', key)
    .update(`banyan role ${roleOf(url, module)}`)
    .digest('base64url');
}

function sharedUrl(database: DatabaseConfig): string {
  if (database.url === undefined) throw new Error('invariant broken: each module has a database');
  return database.url;
}

/**
 * Makes a login role and a schema for each module that has no database of its own, and brings their passwords up
 * to date; returns the names of what it made. Safe in several starting processes at a time. When the login of
 * DATABASE_URL may not do that and something is missing, fails with `roles_missing` (unavailable), whose message
 * is the SQL that an administrator has to run.
 */
export async function makeRoles(database: DatabaseConfig, owners: readonly SchemaOwner[]): Promise<string[]> {
  const made: string[] = [];
  await withKnown(database, owners, async (session, wanted, known) => {
    const missing = missingOf(wanted, known);
    const statements = wanted.flatMap((each) => statementsFor(each, known));
    const isDone = known.mayMake && (await tryToRun(session, statements));
    if (isDone) made.push(...missing.map(({ role, schema }) => `role ${role} and schema ${schema}`));
    else if (missing.length > 0) throw rolesMissing(known.user, statements);
  });
  return made;
}

/** Rejects with `roles_missing` (unavailable) when nobody has made the modules' logins yet. */
export async function requireRoles(database: DatabaseConfig, owners: readonly SchemaOwner[]): Promise<void> {
  await withKnown(database, owners, async (_session, wanted, known) => {
    const missing = missingOf(wanted, known).map(({ role }) => role);
    if (missing.length === 0) return;
    throw new AppError(
      'unavailable',
      'roles_missing',
      `run \`banyan migrate\` first: the modules' logins are missing: ${missing.join(', ')}`,
    );
  });
}

async function withKnown(
  database: DatabaseConfig,
  owners: readonly SchemaOwner[],
  work: (session: ScriptSession, wanted: readonly Wanted[], known: Known) => Promise<void>,
): Promise<void> {
  const wanted = owners
    .filter(({ module }) => database.moduleUrls[module] === undefined)
    .map(({ module, schema }) => {
      const url = sharedUrl(database);
      const password = passwordOf(url, module);
      const role = roleOf(url, module);
      return { role, schema, verifier: password === undefined ? null : scramVerifier(role, password) };
    });
  if (wanted.length === 0) return;
  const engine = openPostgres({ url: sharedUrl(database), prepare: false, applicationName: 'banyan' }, 1);
  try {
    await engine.script(async (session) => {
      await session.rows(lockRoles);
      await work(session, wanted, await readKnown(session, wanted));
    });
  } finally {
    await engine.close();
  }
}

/** Held until the transaction ends: Postgres fails two changes of one role that meet. */
export const lockRoles = sql`select pg_advisory_xact_lock(hashtext('banyan roles'))`;

/** False when the login may not, as one that makes roles may not change those that another login made. */
async function tryToRun(session: ScriptSession, statements: readonly string[]): Promise<boolean> {
  await session.exec('savepoint roles');
  try {
    await session.exec(statements.join('\n'));
    return true;
  } catch (error) {
    if ((error as { code?: unknown }).code !== INSUFFICIENT_PRIVILEGE) throw error;
    await session.exec('rollback to savepoint roles');
    return false;
  }
}

const INSUFFICIENT_PRIVILEGE = '42501';

function missingOf(wanted: readonly Wanted[], known: Known): Wanted[] {
  return wanted.filter(({ role, schema }) => !known.roles.has(role) || !known.schemas.has(schema));
}

interface Wanted {
  readonly role: string;
  readonly schema: string;
  readonly verifier: string | null;
}

interface Known {
  readonly user: string;
  readonly mayMake: boolean;
  readonly isSuperuser: boolean;
  readonly roles: ReadonlySet<string>;
  readonly schemas: ReadonlySet<string>;
}

async function readKnown(session: ScriptSession, wanted: readonly Wanted[]): Promise<Known> {
  const [row] = await session.rows<{
    user: string;
    mayMake: boolean;
    isSuperuser: boolean;
    roles: string[] | null;
    schemas: string[] | null;
  }>(sql`
    with wanted as (select * from jsonb_to_recordset(${jsonRows(wanted)}) as w(role text, schema text))
    select current_user::text as user, me.rolsuper as "isSuperuser",
      me.rolsuper or (me.rolcreaterole and has_database_privilege(current_database(), 'CREATE')) as "mayMake",
      (select jsonb_agg(r.rolname) from pg_roles r join wanted w on w.role = r.rolname) as roles,
      (select jsonb_agg(n.nspname) from pg_namespace n join wanted w on w.schema = n.nspname) as schemas
    from pg_roles me where me.rolname = current_user`);
  if (!row) throw new Error('invariant broken: the current user is a role');
  return { ...row, roles: new Set(row.roles ?? []), schemas: new Set(row.schemas ?? []) };
}

function statementsFor({ role, schema, verifier }: Wanted, known: Known): string[] {
  const name = quoteName(role);
  const secret = verifier === null ? 'password null' : `password '${verifier}'`;
  return [
    `${known.roles.has(role) ? 'alter' : 'create'} role ${name} with login ${secret};`,
    // Whoever is no superuser must be a member of a role to give it a schema.
    ...(known.isSuperuser ? [] : [`grant ${name} to current_user;`]),
    ...(known.schemas.has(schema) ? [] : [`create schema ${quoteName(schema)} authorization ${name};`]),
  ];
}

function rolesMissing(user: string, statements: readonly string[]): AppError {
  return new AppError(
    'unavailable',
    'roles_missing',
    `the modules' logins are missing, and ${user} may not make them. Have an administrator of the database run:\n\n${statements.join('\n')}\n`,
  );
}

function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

const SCRAM_ROUNDS = 4_096;

/**
 * What Postgres stores for a password (RFC 5803), so that neither the SQL we print nor its log holds the password.
 * The salt is the same each time: a pooler logs in with what it learnt from a verifier, until that one changes.
 */
function scramVerifier(role: string, password: string): string {
  const salt = createHmac('sha256', password).update(`banyan salt ${role}`).digest().subarray(0, 16);
  const salted = pbkdf2Sync(password, salt, SCRAM_ROUNDS, 32, 'sha256');
  const keyOf = (label: string) => createHmac('sha256', salted).update(label).digest();
  const storedKey = createHash('sha256').update(keyOf('Client Key')).digest('base64');
  const serverKey = keyOf('Server Key').toString('base64');
  return `SCRAM-SHA-256$${SCRAM_ROUNDS}:${salt.toString('base64')}$${storedKey}:${serverKey}`;
}
