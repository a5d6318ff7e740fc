import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Database } from '#platform/database/database';
import type { Engine } from '#platform/database/engine';
import { openModuleDatabase } from '#platform/testing/database';
import { MAIL_KEEP_DAYS } from './limits.ts';
import type { ClaimedMail } from './mail.ts';
import {
  areHeld,
  claimDueMail,
  deleteOldMail,
  endMails,
  freeLeases,
  insertMails,
  postponeMail,
  renewLeases,
} from './store.ts';

const MAIL = '01900000-0000-7000-8000-000000000001';
const USER = '01900000-0000-7000-8000-000000000002';

let engine: Engine;
let database: Database;

beforeAll(async () => {
  ({ engine, database } = await openModuleDatabase('notification', 'notifications'));
});
afterAll(async () => {
  await engine.close();
});
beforeEach(async () => {
  await database.rows(sql`delete from notifications.mail`);
  await database.transaction((tx) =>
    insertMails(tx, [{ id: MAIL, userId: USER, about: { kind: 'password_changed', data: {} }, trace: null }]),
  );
});

async function claim(): Promise<ClaimedMail> {
  const [claimed] = await claimDueMail(database, 10);
  if (!claimed) throw new Error('a mail is due');
  return claimed;
}

const expireLease = () => database.rows(sql`update notifications.mail set due_at = now()`);

async function row() {
  const [mail] = await database.rows(
    sql`select state, attempts, last_error as error from notifications.mail`,
  );
  return mail;
}

describe('a claimed mail', () => {
  it('is left alone by others until the lease has run out', async () => {
    const first = await claim();
    expect(first).toMatchObject({ id: MAIL, userId: USER, attempts: 1 });
    expect(await claimDueMail(database, 10)).toEqual([]);
    await expireLease();
    expect(await claim()).toMatchObject({ attempts: 2 });
  });

  it('takes no late word of a sender that lost its lease', async () => {
    const slow = await claim();
    await expireLease();
    const quick = await claim();
    await endMails(database, [{ mail: slow, state: 'failed', error: 'late' }]);
    await postponeMail(database, slow, 0, 'late');
    expect(await row()).toEqual({ state: 'queued', attempts: 2, error: null });
    await endMails(database, [{ mail: quick, state: 'sent', error: null }]);
    expect(await row()).toMatchObject({ state: 'sent' });
  });

  it('stays with a sender that gives signs of life, and not with one that lost its lease', async () => {
    const slow = await claim();
    await database.rows(sql`update notifications.mail set due_at = now() + interval '1 second'`);
    await renewLeases(database, [slow]);
    const [renewed] = await database.rows<{ far: boolean }>(
      sql`select due_at > now() + interval '20 seconds' as far from notifications.mail where id = ${MAIL}::uuid`,
    );
    expect(renewed).toEqual({ far: true });
    await expireLease();
    await renewLeases(database, [slow]);
    expect(await claim()).toMatchObject({ attempts: 2 });
    await expireLease();
    await renewLeases(database, [slow]);
    expect(await claim()).toMatchObject({ attempts: 3 });
  });

  it('is asked for and ended together with others, each by its own lease', async () => {
    const other = '01900000-0000-7000-8000-000000000003';
    const about = { kind: 'password_changed', data: {} } as const;
    await database.transaction((tx) => insertMails(tx, [{ id: other, userId: USER, about, trace: null }]));
    const claimed = await claimDueMail(database, 10);
    await database.rows(sql`update notifications.mail set fence = fence + 1 where id = ${MAIL}::uuid`);
    expect(await areHeld(database, claimed)).toEqual(claimed.map(({ id }) => id === other));
    await endMails(
      database,
      claimed.map((mail) => ({ mail, state: 'failed', error: `of ${mail.id}` })),
    );
    const rows = await database.rows(
      sql`select id, state, last_error as error from notifications.mail order by id`,
    );
    expect(rows).toEqual([
      { id: MAIL, state: 'queued', error: null },
      { id: other, state: 'failed', error: `of ${other}` },
    ]);
  });

  it('that is put off is not due before its time', async () => {
    await postponeMail(database, await claim(), 60_000, 'SMTP 451');
    expect(await claimDueMail(database, 10)).toEqual([]);
    expect(await row()).toEqual({ state: 'queued', attempts: 1, error: 'SMTP 451' });
  });

  it('is due at once when its holder is known to be gone, unless it waits after a failure', async () => {
    await claim();
    expect(await claimDueMail(database, 10)).toEqual([]);
    await freeLeases(database);
    await postponeMail(database, await claim(), 60_000, 'mailbox busy');
    await freeLeases(database);
    expect(await claimDueMail(database, 10)).toEqual([]);
  });
});

describe('mail that ended', () => {
  it('is deleted after its time, and mail that is still to be sent never is', async () => {
    const age = (column: string) =>
      database.rows(sql`
        update notifications.mail
        set ${sql.identifier(column)} = now() - make_interval(days => ${MAIL_KEEP_DAYS + 1}::int)`);
    await age('created_at');
    const claimed = await claim();
    await deleteOldMail(database);
    expect(await row()).toBeDefined();
    await endMails(database, [{ mail: claimed, state: 'sent', error: null }]);
    await deleteOldMail(database);
    expect(await row()).toBeDefined();
    await age('ended_at');
    await deleteOldMail(database);
    expect(await row()).toBeUndefined();
  });
});
