import { and, eq, sql } from 'drizzle-orm';
import type { Database, Queryable, Transaction } from '#platform/database/database';
import { deleteInBatches } from '#platform/database/delete-in-batches';
import { listRows, textArray } from '#platform/database/sql';
import { CLEAN_UP_BATCH, MAIL_KEEP_DAYS, MAIL_LEASE_MS } from './limits.ts';
import { type ClaimedMail, type Mail, mailSubjectSchema } from './mail.ts';
import { mail } from './schema.ts';

/** Need not be waited for: then it goes along with the commit. */
export function insertMails(tx: Transaction, mails: readonly Mail[]): Promise<unknown> {
  return tx.rows(sql`
    insert into notifications.mail (id, user_id, kind, data, trace)
    select id, user_id, kind, data::jsonb, nullif(trace, '') from ${listRows(
      ['uuid', mails.map(({ id }) => id)],
      ['uuid', mails.map(({ userId }) => userId)],
      ['text', mails.map(({ about }) => about.kind)],
      ['text', mails.map(({ about }) => JSON.stringify(about.data))],
      ['text', mails.map(({ trace }) => trace ?? '')],
    )} as m(id, user_id, kind, data, trace)`);
}

/** Ends all mail to a user that has not been sent. */
export async function dropMailTo(tx: Transaction, userId: string): Promise<void> {
  await tx.db
    .update(mail)
    .set({ state: 'dropped', endedAt: sql`now()` })
    .where(and(eq(mail.userId, userId), eq(mail.state, 'queued')));
}

/** Leases up to `limit` due mails, longest due first. */
export async function claimDueMail(database: Database, limit: number): Promise<ClaimedMail[]> {
  const rows = await database.rows<{
    id: string;
    userId: string;
    kind: string;
    data: unknown;
    trace: string | null;
    fence: number;
    attempts: number;
  }>(sql`
    with due as (
      select id from notifications.mail where state = 'queued' and due_at <= now()
      order by due_at limit ${limit}::int for update skip locked
    )
    update notifications.mail m
    set fence = m.fence + 1, attempts = m.attempts + 1,
        due_at = now() + ${MAIL_LEASE_MS}::int * interval '1 millisecond'
    from due where m.id = due.id
    returning m.id, m.user_id as "userId", m.kind, m.data, m.trace, m.fence, m.attempts`);
  return rows.map(({ kind, data, ...row }) => ({ ...row, about: mailSubjectSchema.parse({ kind, data }) }));
}

/** Holds claimed mail that is being sent for as long again. */
export async function renewLeases(database: Database, batch: readonly ClaimedMail[]): Promise<void> {
  await database.rows(sql`
    update notifications.mail m set due_at = now() + ${MAIL_LEASE_MS}::int * interval '1 millisecond'
    from ${claims(batch)} as h(id, fence)
    where m.id = h.id and m.fence = h.fence and m.state = 'queued' and m.due_at > now()`);
}

/** Whether claimed mails are still their sender's to send, for each of them. */
export async function areHeld(database: Database, batch: readonly ClaimedMail[]): Promise<boolean[]> {
  const rows = await database.rows<{ id: string }>(sql`
    select m.id from ${claims(batch)} as h(id, fence)
    join notifications.mail m on m.id = h.id and m.fence = h.fence and m.state = 'queued' and m.due_at > now()`);
  const held = new Set(rows.map(({ id }) => id));
  return batch.map(({ id }) => held.has(id));
}

/** Makes mail due that is leased and was never tried to its end; only where nobody can hold a lease. */
export async function freeLeases(database: Database): Promise<void> {
  await database.rows(sql`
    update notifications.mail set due_at = now()
    where state = 'queued' and attempts > 0 and last_error is null and due_at > now()`);
}

/** How a mail ends; dropped: there is nobody to send it to any more. */
export type EndState = 'sent' | 'failed' | 'dropped';

export interface EndedMail {
  readonly mail: ClaimedMail;
  readonly state: EndState;
  readonly error: string | null;
}

/** Ends claimed mails, except those whose lease was lost meanwhile. */
export async function endMails(database: Database, ended: readonly EndedMail[]): Promise<void> {
  await database.rows(sql`
    update notifications.mail m set state = e.state, last_error = nullif(e.error, ''), ended_at = now()
    from ${listRows(
      ['uuid', ended.map(({ mail }) => mail.id)],
      ['bigint', ended.map(({ mail }) => mail.fence)],
      ['text', ended.map(({ state }) => state)],
      ['text', ended.map(({ error }) => error ?? '')],
    )} as e(id, fence, state, error)
    where m.id = e.id and m.fence = e.fence and m.state = 'queued'`);
}

/** Gives a claimed mail back, to be looked at again after `waitMs`; with other `attempts` when its claim was no try. */
export async function postponeMail(
  on: Queryable,
  claimed: ClaimedMail,
  waitMs: number,
  error: string,
  attempts?: number,
): Promise<void> {
  await on.db
    .update(mail)
    .set({ attempts, lastError: error, dueAt: sql`now() + ${waitMs}::int * interval '1 millisecond'` })
    .where(isStillHeld(claimed));
}

function claims(batch: readonly ClaimedMail[]) {
  return listRows(['uuid', batch.map(({ id }) => id)], ['bigint', batch.map(({ fence }) => fence)]);
}

function isStillHeld(claimed: ClaimedMail) {
  return and(eq(mail.id, claimed.id), eq(mail.fence, claimed.fence), eq(mail.state, 'queued'));
}

/** Deletes the mail that ended long ago. */
export async function deleteOldMail(database: Database): Promise<void> {
  await deleteInBatches(
    database,
    CLEAN_UP_BATCH,
    sql`
    delete from notifications.mail where id in (
      select id from notifications.mail
      where state <> 'queued' and ended_at < now() - make_interval(days => ${MAIL_KEEP_DAYS}::int)
      order by ended_at limit ${CLEAN_UP_BATCH}::int for update skip locked)
    returning 1 as gone`,
  );
}

/** Handled events of these types that left no mail, after `position` in the inbox, in its order. */
export async function findEventsWithoutMail(
  database: Database,
  types: readonly string[],
  after: number,
  limit: number,
): Promise<{ id: string; type: string; position: number }[]> {
  return await database.rows(sql`
    select i.event_id as id, i.type, i.position from notifications.inbox i
    where i.type = any(${textArray(types)}) and i.position > ${after}::bigint
      and not exists (select 1 from notifications.mail m where m.id = i.event_id)
    order by i.position limit ${limit}::int`);
}
