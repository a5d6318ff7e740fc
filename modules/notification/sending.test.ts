import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { sql } from 'drizzle-orm';
import { SMTPServer } from 'smtp-server';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { orderPaid, orderRefunded, orderShipped } from '#modules/order/events';
import { userErased, userPasswordChanged } from '#modules/user/events';
import type { Finding } from '#platform/audit';
import { textArray } from '#platform/database/sql';
import { AppError } from '#platform/errors';
import { startShop, type TestShop } from '#platform/testing/shop';
import { MAIL_ATTEMPTS } from './limits.ts';
import { notificationModule } from './module.ts';

interface Received {
  readonly recipients: string[];
  readonly source: string;
}

let port = 0;
let server: SMTPServer;
let received: Received[] = [];
/** What the server answers to a recipient; undefined takes the mail. */
let answer: (() => number | undefined) | undefined;

let shop: TestShop;
/** The users that the user module knows: id → address. */
const people = new Map<string, string>();
let userModuleAway = false;
/** What happens while a sender asks who its mail goes to. */
let meanwhile: (() => Promise<unknown>) | undefined;

/** The orders of each call for receipts. */
let receiptsAsked: string[][] = [];
const lostOrders = new Set<string>();

const receiptOf = (orderId: string) => ({
  orderId,
  number: '2026-000042',
  userId: newUser(),
  items: [
    {
      sku: '85123A',
      name: 'White hanging heart',
      quantity: 2,
      unitPrice: { amount: 255, currency: 'GBP' },
      lineTotal: { amount: 510, currency: 'GBP' },
    },
  ],
  total: { amount: 510, currency: 'GBP' },
});

async function openServer(): Promise<void> {
  server = new SMTPServer({
    disabledCommands: ['AUTH', 'STARTTLS'],
    onRcptTo(_, __, done) {
      const code = answer?.();
      if (code === undefined) return done();
      done(Object.assign(new Error('not now, anna@example.com'), { responseCode: code }));
    },
    onData(stream, session, done) {
      text(stream).then((source) => {
        received.push({ recipients: session.envelope.rcptTo.map((to) => to.address), source });
        done();
      }, done);
    },
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  port = (server.server.address() as AddressInfo).port;
}

const closeServer = () => new Promise<void>((resolve) => server.close(resolve));

beforeAll(async () => {
  await openServer();
  shop = await startShop({
    modules: [notificationModule],
    fakes: {
      user: {
        profiles: async ({ ids }: { ids: string[] }) => {
          if (userModuleAway) throw new AppError('unavailable', 'peer_down', 'the user module is away');
          await meanwhile?.();
          const users = ids.flatMap((id) => {
            const email = people.get(id);
            const createdAt = '2026-01-01T00:00:00.000Z';
            return email
              ? [{ id, email, username: 'u', role: 'customer', createdAt, updatedAt: createdAt }]
              : [];
          });
          return { users };
        },
      },
      order: {
        receipts: async ({ orderIds }: { orderIds: string[] }) => {
          receiptsAsked.push(orderIds);
          return { receipts: orderIds.filter((id) => !lostOrders.has(id)).map(receiptOf) };
        },
      },
    },
    config: { mail: { smtpUrl: `smtp://127.0.0.1:${port}`, from: 'Banyan <shop@example.com>' } },
  });
});
afterAll(async () => {
  await shop.stop();
  await closeServer();
});
beforeEach(() => {
  received = [];
  receiptsAsked = [];
  answer = undefined;
  userModuleAway = false;
  meanwhile = undefined;
});

let ids = 0;
function newUuid(): string {
  ids += 1;
  return `01900000-0000-7000-8000-${String(ids).padStart(12, '0')}`;
}

function newUser(email = `person${ids}@example.com`): string {
  const id = newUuid();
  people.set(id, email);
  return id;
}

/** Hands the module an event, as a relay does; the same id again is a second delivery of it. */
async function deliver(type: string, data: object, id = newUuid()): Promise<string> {
  const [module] = shop.shop.modules;
  const event = {
    id,
    type,
    stream: `test:${id}`,
    version: 1,
    at: '2026-01-01T00:00:00.000Z',
    data,
    trace: null,
  };
  await module?.consume(event);
  return id;
}

const passwordChanged = (userId: string) => deliver(userPasswordChanged.type, { userId });

interface Row {
  state: string;
  attempts: number;
  error: string | null;
}

async function rowOf(id: string): Promise<Row | undefined> {
  const [row] = await shop.database('notification').rows<Row>(sql`
      select state, attempts, last_error as error from notifications.mail where id = ${id}::uuid`);
  return row;
}

const becomes = (id: string, row: Partial<Row>) =>
  vi.waitFor(async () => expect(await rowOf(id)).toMatchObject(row), { timeout: 15_000, interval: 50 });

/** Spares the test the wait before the next try. */
const makeDue = (id: string) =>
  shop
    .database('notification')
    .rows(sql`update notifications.mail set due_at = now() where id = ${id}::uuid`);

const header = (source: string, name: string) =>
  new RegExp(`^${name}: (.*(?:\r\n[ \t].*)*)`, 'im').exec(source)?.[1]?.replaceAll(/\r\n[ \t]/g, ' ');

describe('a mail', () => {
  it('goes to the buyer of a paid order, with what was bought', async () => {
    const userId = newUser('anna@example.com');
    const id = await deliver(orderPaid.type, { orderId: newUuid(), userId, number: '2026-000042' });
    await becomes(id, { state: 'sent' });
    const [{ recipients, source } = { recipients: [], source: '' }] = received;
    expect(recipients).toEqual(['anna@example.com']);
    expect(header(source, 'From')).toBe('Banyan <shop@example.com>');
    expect(header(source, 'To')).toBe('anna@example.com');
    expect(header(source, 'Subject')).toBe('Order 2026-000042 is confirmed');
    expect(header(source, 'Message-ID')).toBe(`<${id}@example.com>`);
    expect(header(source, 'Auto-Submitted')).toBe('auto-generated');
    expect(source).toContain('White hanging heart');
  });

  it.each([
    [orderShipped.type, { trackingNumber: 'RM1', carrier: null }, 'Order 7 is on its way'],
    [orderRefunded.type, { amount: { amount: 5, currency: 'GBP' } }, 'Refund for order 7'],
    [userPasswordChanged.type, {}, 'Your password was changed'],
  ])('is sent for %s', async (type, data, subject) => {
    const userId = newUser();
    const id = await deliver(type, { orderId: newUuid(), userId, number: '7', ...data });
    await becomes(id, { state: 'sent' });
    expect(received.map(({ source }) => header(source, 'Subject'))).toEqual([subject]);
  });

  it('goes out once, however often its event is delivered', async () => {
    const userId = newUser();
    const id = newUuid();
    const again = () => deliver(userPasswordChanged.type, { userId }, id);
    await Promise.all([again(), again(), again()]);
    await becomes(id, { state: 'sent', attempts: 1 });
    await again();
    const last = await passwordChanged(userId);
    await becomes(last, { state: 'sent' });
    const sent = received.map(({ source }) => header(source, 'Message-ID'));
    expect(sent.sort()).toEqual([`<${id}@example.com>`, `<${last}@example.com>`]);
  });

  it('asks for the orders of a whole batch at once, and for none where it is about none', async () => {
    userModuleAway = true;
    const orders = [newUuid(), newUuid(), newUuid()];
    const mails: string[] = [];
    for (const orderId of orders) {
      const id = await deliver(orderPaid.type, { orderId, userId: newUser(), number: '7' });
      await becomes(id, { state: 'queued', error: 'peer_down' });
      mails.push(id);
    }
    userModuleAway = false;
    await becomes(await passwordChanged(newUser()), { state: 'sent' });
    expect(receiptsAsked).toEqual([]);
    await shop.database('notification').rows(sql`
      update notifications.mail set due_at = now() where state = 'queued' and id::text = any(${textArray(mails)})`);
    for (const id of mails) await becomes(id, { state: 'sent' });
    expect(receiptsAsked.map((ids) => ids.sort())).toEqual([orders]);
  });

  it('about an order that is not there waits, and holds back no other', async () => {
    const [lost, found] = [newUuid(), newUuid()];
    lostOrders.add(lost);
    const waiting = await deliver(orderPaid.type, { orderId: lost, userId: newUser(), number: '7' });
    const sent = await deliver(orderPaid.type, { orderId: found, userId: newUser(), number: '8' });
    await becomes(waiting, { state: 'queued', error: 'order_not_found' });
    await becomes(sent, { state: 'sent' });
    lostOrders.clear();
    await makeDue(waiting);
    await becomes(waiting, { state: 'sent' });
  });

  it('is left to its new holder by a sender that was stopped for longer than its lease', async () => {
    const id = newUuid();
    const isTaken = Promise.withResolvers<void>();
    meanwhile = async () => {
      meanwhile = undefined;
      await shop.database('notification').rows(sql`
        update notifications.mail set fence = fence + 1, attempts = attempts + 1 where id = ${id}::uuid`);
      isTaken.resolve();
    };
    await deliver(userPasswordChanged.type, { userId: newUser() }, id);
    await isTaken.promise;
    const next = await passwordChanged(newUser());
    await becomes(next, { state: 'sent' });
    expect(received.map(({ source }) => header(source, 'Message-ID'))).toEqual([`<${next}@example.com>`]);
    expect(await rowOf(id)).toMatchObject({ state: 'queued', attempts: 2 });
  });

  it('has no header that a number or an address brought along', async () => {
    const userId = newUser();
    const number = '7\r\nBcc: thief@example.com\r\n\r\nhello';
    const shipped = {
      orderId: newUuid(),
      userId,
      number,
      trackingNumber: 'x\r\nBcc: a@example.com',
      carrier: null,
    };
    const id = await deliver(orderShipped.type, shipped);
    await becomes(id, { state: 'sent' });
    const [{ recipients, source } = { recipients: [], source: '' }] = received;
    expect(recipients).toEqual([people.get(userId)]);
    expect(source.slice(0, source.indexOf('\r\n\r\n'))).not.toMatch(/^bcc:/im);
  });
});

describe('a server that is down', () => {
  it('gets the mail once it is back', async () => {
    await closeServer();
    const id = await passwordChanged(newUser());
    await becomes(id, { state: 'queued', error: 'ESOCKET' });
    await openServer();
    await makeDue(id);
    await becomes(id, { state: 'sent', error: null });
    expect(received).toHaveLength(1);
  });

  it('that puts off a mail is asked again, and its words are not kept', async () => {
    let asked = 0;
    answer = () => {
      asked += 1;
      return asked === 1 ? 451 : undefined;
    };
    const id = await passwordChanged(newUser());
    await becomes(id, { state: 'queued', attempts: 1, error: 'SMTP 451' });
    await makeDue(id);
    await becomes(id, { state: 'sent', attempts: 2 });
    expect(received).toHaveLength(1);
  });

  it('that refuses a recipient for good is not asked again', async () => {
    answer = () => 550;
    const id = await passwordChanged(newUser());
    await becomes(id, { state: 'failed', attempts: 1, error: 'SMTP 550' });
  });

  it('is given up after many tries', async () => {
    answer = () => 451;
    const id = await passwordChanged(newUser());
    await becomes(id, { state: 'queued', attempts: 1 });
    await shop.database('notification').rows(sql`
      update notifications.mail set attempts = ${MAIL_ATTEMPTS - 1}::int, due_at = now()
      where id = ${id}::uuid`);
    await becomes(id, { state: 'failed', attempts: MAIL_ATTEMPTS, error: 'SMTP 451' });
  });
});

describe('a user module that is away', () => {
  it('delays the mail, however often it is looked at, and costs it no try', async () => {
    userModuleAway = true;
    const id = await passwordChanged(newUser());
    for (let look = 1; look <= 3; look += 1) {
      await becomes(id, { state: 'queued', attempts: 0, error: 'peer_down' });
      await makeDue(id);
    }
    await becomes(id, { state: 'queued', attempts: 0, error: 'peer_down' });
    userModuleAway = false;
    await makeDue(id);
    await becomes(id, { state: 'sent', attempts: 1 });
  });
});

describe('an erased user', () => {
  it('gets no mail', async () => {
    const id = await passwordChanged(newUuid());
    await becomes(id, { state: 'dropped' });
    expect(received).toEqual([]);
  });

  it('gets none of the mail that was waiting', async () => {
    answer = () => 451;
    const userId = newUser();
    const id = await passwordChanged(userId);
    await becomes(id, { state: 'queued', attempts: 1 });
    await deliver(userErased.type, { userId });
    await becomes(id, { state: 'dropped' });
  });
});

describe('the rows', () => {
  it('hold no address and no text', async () => {
    const id = await passwordChanged(newUser('secret-address@example.com'));
    await becomes(id, { state: 'sent' });
    const rows = await shop
      .database('notification')
      .rows(sql`select m::text as text from notifications.mail m`);
    expect(JSON.stringify(rows)).toContain(id);
    expect(JSON.stringify(rows)).not.toContain('secret-address');
  });
});

describe('the audit', () => {
  it('finds the event whose mail is missing, and only that', async () => {
    const kept = await passwordChanged(newUser());
    const lost = await passwordChanged(newUser());
    await becomes(lost, { state: 'sent' });
    await becomes(kept, { state: 'sent' });
    await shop.database('notification').rows(sql`delete from notifications.mail where id = ${lost}::uuid`);
    const [check] = shop.shop.modules[0]?.parts.audit ?? [];
    const findings: Finding[] = [];
    for await (const finding of check?.() ?? []) findings.push(finding);
    expect(findings).toEqual([
      {
        invariant: 'I5',
        subject: `event ${lost} (user.password_changed.v1)`,
        detail: 'notification has handled it, but it has no mail',
      },
    ]);
  });
});
