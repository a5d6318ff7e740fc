import { sql } from 'drizzle-orm';
import type { Database, Queryable, Transaction } from '#platform/database/database';
import { deleteInBatches } from '#platform/database/delete-in-batches';
import type { Role } from '#platform/http/route';
import { CLEAN_UP_BATCH, SESSION_IDLE_DAYS } from './limits.ts';

/** Whose session a refresh token continued. */
export interface ContinuedSession {
  readonly sessionId: string;
  readonly userId: string;
  readonly role: Role;
}

const idle = sql`make_interval(days => ${SESSION_IDLE_DAYS}::int)`;

/**
 * Opens a session with its first refresh token, if the account's password is still the one that was checked:
 * the person's row is locked against a change of it meanwhile. Returns whether it did.
 */
export async function openSession(
  on: Queryable,
  session: { id: string; userId: string; passwordHash: string; clientTag: string; tokenHash: string },
): Promise<boolean> {
  const opened = await on.rows(sql`
    with owner as (
      select account_id from users.person
      where account_id = ${session.userId}::uuid and password_hash = ${session.passwordHash}::text
      for share
    ), opened as (
      insert into users.session (id, account_id, client_tag, expires_at)
      select ${session.id}::uuid, account_id, ${session.clientTag}::text, now() + ${idle} from owner
      returning id, expires_at
    )
    insert into users.refresh_token (hash, session_id, expires_at)
    select ${session.tokenHash}::text, id, expires_at from opened
    returning hash`);
  return opened.length > 0;
}

/**
 * Spends one refresh token for the next, in one conditional statement: of twenty that show the same token at
 * once, one finds it unspent. Undefined when it is unknown, spent or expired, or its session is over.
 */
export async function rotateToken(
  on: Queryable,
  tokens: { hash: string; nextHash: string },
): Promise<ContinuedSession | undefined> {
  const [session] = await on.rows<ContinuedSession>(sql`
    with spent as (
      update users.refresh_token set spent_at = now()
      where hash = ${tokens.hash}::text and spent_at is null and expires_at > now()
      returning session_id
    ), continued as (
      update users.session s set expires_at = now() + ${idle}
      from spent where s.id = spent.session_id and s.ended_at is null
      returning s.id, s.account_id, s.expires_at
    ), next as (
      insert into users.refresh_token (hash, session_id, expires_at)
      select ${tokens.nextHash}::text, id, expires_at from continued
    )
    select c.id as "sessionId", c.account_id as "userId", a.role
    from continued c join users.account a on a.id = c.account_id`);
  return session;
}

/** Ends the session that a spent token belongs to; returns its id when there was something to end. */
export async function endSessionOfSpentToken(on: Queryable, hash: string): Promise<string | undefined> {
  const [ended] = await on.rows<{ id: string }>(sql`
    update users.session s set ended_at = now()
    from users.refresh_token t
    where t.hash = ${hash}::text and t.spent_at is not null and s.id = t.session_id and s.ended_at is null
    returning s.id`);
  return ended?.id;
}

/** Ends the session of a refresh token, spent or not, if it is this user's. */
export async function endSession(on: Queryable, userId: string, hash: string): Promise<void> {
  await on.rows(sql`
    update users.session s set ended_at = now()
    from users.refresh_token t
    where t.hash = ${hash}::text and s.id = t.session_id and s.account_id = ${userId}::uuid
      and s.ended_at is null`);
}

/** Ends the user's sessions but the one to keep. */
export async function endOtherSessions(tx: Transaction, userId: string, keep: string | null): Promise<void> {
  await tx.rows(sql`
    update users.session set ended_at = now()
    where account_id = ${userId}::uuid and ended_at is null and id is distinct from ${keep}::uuid`);
}

/**
 * Deletes the user's sessions with all that is known of where they came from. Their tokens first: who spends one
 * locks it and then its session, and would wait for us as we wait for them.
 */
export async function eraseSessions(tx: Transaction, userId: string): Promise<void> {
  await tx.rows(sql`
    delete from users.refresh_token where session_id in (
      select id from users.session where account_id = ${userId}::uuid)`);
  await tx.rows(sql`delete from users.session where account_id = ${userId}::uuid`);
}

/** Whether the account was signed in from there, within the time that sessions are kept. */
export async function wasSignedInFrom(on: Queryable, userId: string, clientTag: string): Promise<boolean> {
  const sessions = await on.rows(sql`
    select 1 as seen from users.session
    where account_id = ${userId}::uuid and client_tag = ${clientTag}::text limit 1`);
  return sessions.length > 0;
}

/** Deletes what is over: tokens past their time, and sessions that nobody used for a session's length. */
export async function deleteOldSessions(database: Database): Promise<void> {
  await deleteInBatches(
    database,
    CLEAN_UP_BATCH,
    sql`
    delete from users.refresh_token where hash in (
      select hash from users.refresh_token where expires_at < now()
      order by expires_at limit ${CLEAN_UP_BATCH}::int for update skip locked)
    returning 1 as gone`,
  );
  await deleteInBatches(
    database,
    CLEAN_UP_BATCH,
    sql`
    delete from users.session where id in (
      select id from users.session where expires_at < now()
      order by expires_at limit ${CLEAN_UP_BATCH}::int for update skip locked)
    returning 1 as gone`,
  );
}
