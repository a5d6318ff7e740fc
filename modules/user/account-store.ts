import { and, desc, eq, inArray, lt, sql } from 'drizzle-orm';
import type { Queryable, Transaction } from '#platform/database/database';
import { isoTime } from '#platform/database/sql';
import { AppError } from '#platform/errors';
import type { Role } from '#platform/http/route';
import type { User } from './contract.ts';
import { account, person } from './schema.ts';
import { usernameKey } from './user.ts';

/** A user with the version that its ETag shows. */
export type StoredUser = User & { readonly version: number };

export interface NewUser {
  readonly id: string;
  readonly email: string;
  readonly username: string;
  readonly role: Role;
  readonly passwordHash: string;
}

/** What a sign-in is checked against. */
interface Credentials {
  readonly userId: string;
  readonly role: Role;
  readonly passwordHash: string;
}

const columns = {
  id: account.id,
  email: person.email,
  username: person.username,
  role: account.role,
  createdAt: isoTime(account.createdAt),
  updatedAt: isoTime(account.updatedAt),
  version: account.version,
};

const isOf = eq(person.accountId, account.id);

export async function insertUser(tx: Transaction, user: NewUser): Promise<void> {
  await tx.db.insert(account).values({ id: user.id, role: user.role });
  await tx.db.insert(person).values({
    accountId: user.id,
    email: user.email,
    username: user.username,
    usernameKey: usernameKey(user.username),
    passwordHash: user.passwordHash,
  });
}

/** The user, unless there is none or they were erased. */
export async function findUser(on: Queryable, id: string): Promise<StoredUser | undefined> {
  const [user] = await on.db.select(columns).from(account).innerJoin(person, isOf).where(eq(account.id, id));
  return user;
}

export async function findUsers(on: Queryable, ids: readonly string[]): Promise<StoredUser[]> {
  return await on.db
    .select(columns)
    .from(account)
    .innerJoin(person, isOf)
    .where(inArray(account.id, [...ids]));
}

/** Newest first, from `before` on. */
export async function listUsers(
  on: Queryable,
  filter: { email: string | undefined; role: Role | undefined; before: string | undefined; limit: number },
): Promise<StoredUser[]> {
  const conditions = [
    filter.email === undefined ? undefined : eq(person.email, filter.email),
    filter.role === undefined ? undefined : eq(account.role, filter.role),
    filter.before === undefined ? undefined : lt(account.id, filter.before),
  ];
  return await on.db
    .select(columns)
    .from(account)
    .innerJoin(person, isOf)
    .where(and(...conditions))
    .orderBy(desc(account.id))
    .limit(filter.limit);
}

/**
 * The user, locked until the transaction ends. The lock lets sessions refer to the account meanwhile, so that a
 * sign-in and a change cannot wait for each other.
 */
export async function lockUser(tx: Transaction, id: string): Promise<StoredUser | undefined> {
  const [locked] = await tx.db
    .select({ id: account.id })
    .from(account)
    .where(eq(account.id, id))
    .for('no key update');
  // A statement of its own, whose snapshot sees what the lock's last holder committed.
  return locked && (await findUser(tx, id));
}

/**
 * Locks all admins, in one order, so that of two who demote each other one comes second and sees it. Returns
 * whether somebody other than `id` is among them.
 */
export async function lockOtherAdmins(tx: Transaction, id: string): Promise<boolean> {
  const admins = await tx.db
    .select({ id: account.id })
    .from(account)
    .where(eq(account.role, 'admin'))
    .orderBy(account.id)
    .for('no key update');
  return admins.some((admin) => admin.id !== id);
}

/** Held until the transaction ends, so that of several starting processes one makes the first admin. */
export async function lockFirstAdmin(tx: Transaction): Promise<void> {
  await tx.rows(sql`select pg_advisory_xact_lock(hashtext('users.first_admin'))`);
}

export async function hasAdmin(on: Queryable): Promise<boolean> {
  const admins = await on.db
    .select({ id: account.id })
    .from(account)
    .where(eq(account.role, 'admin'))
    .limit(1);
  return admins.length > 0;
}

export async function updatePerson(
  tx: Transaction,
  id: string,
  change: { email?: string; username?: string },
): Promise<void> {
  const key = change.username === undefined ? {} : { usernameKey: usernameKey(change.username) };
  await tx.db
    .update(person)
    .set({ ...change, ...key })
    .where(eq(person.accountId, id));
  await touch(tx, id);
}

export async function updateRole(tx: Transaction, id: string, role: Role): Promise<void> {
  await tx.db.update(account).set({ role }).where(eq(account.id, id));
  await touch(tx, id);
}

/** Raises the version; returns the new one. */
async function touch(tx: Transaction, id: string): Promise<number> {
  const [row] = await tx.db
    .update(account)
    .set({ version: sql`${account.version} + 1`, updatedAt: sql`now()` })
    .where(eq(account.id, id))
    .returning({ version: account.version });
  return row?.version ?? 0;
}

export async function findCredentials(on: Queryable, who: { email: string } | { userId: string }) {
  const [credentials] = await on.db
    .select({ userId: account.id, role: account.role, passwordHash: person.passwordHash })
    .from(account)
    .innerJoin(person, isOf)
    .where('email' in who ? eq(person.email, who.email) : eq(account.id, who.userId));
  return credentials satisfies Credentials | undefined;
}

/** Replaces the password if it is still the `old` one; returns the account's new version, or undefined. */
export async function replacePassword(
  tx: Transaction,
  id: string,
  hashes: { old: string; next: string },
): Promise<number | undefined> {
  const replaced = await tx.db
    .update(person)
    .set({ passwordHash: hashes.next })
    .where(and(eq(person.accountId, id), eq(person.passwordHash, hashes.old)))
    .returning({ id: person.accountId });
  return replaced.length === 0 ? undefined : await touch(tx, id);
}

/** Deletes all personal data of the account; returns its new version. */
export async function erasePerson(tx: Transaction, id: string): Promise<number> {
  await tx.db.delete(person).where(eq(person.accountId, id));
  await tx.db.update(account).set({ role: 'customer', erasedAt: sql`now()` }).where(eq(account.id, id));
  return await touch(tx, id);
}

/** Runs `work`, and turns its breach of uniqueness into `email_taken` or `username_taken` (conflict). */
export async function refuseTaken<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const constraint = brokenUniqueness(error);
    if (constraint === 'person_email') {
      throw new AppError('conflict', 'email_taken', 'this e-mail address has an account', { cause: error });
    }
    if (constraint === 'person_username') {
      throw new AppError('conflict', 'username_taken', 'this username is taken', { cause: error });
    }
    throw error;
  }
}

/** The constraint's name, which the embedded database and the Postgres driver spell differently. */
function brokenUniqueness(error: unknown): string | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const fields = cause as { code?: string; constraint?: string; constraint_name?: string };
    if (fields.code === '23505') return fields.constraint ?? fields.constraint_name;
  }
  return undefined;
}
