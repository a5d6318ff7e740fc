import type { orderContract } from '#modules/order/contract';
import type { userContract } from '#modules/user/contract';
import { createBatch } from '#platform/batch';
import { type RequestContext, runInContext, withOrderOf } from '#platform/context';
import { backoffMs, withDeadline } from '#platform/deadline';
import { AppError, isUnavailable } from '#platform/errors';
import type { ModuleContext } from '#platform/module';
import type { Uses } from '#platform/rpc/contract';
import { counterOf } from '#platform/telemetry/instruments';
import { span } from '#platform/telemetry/trace';
import { newTrace, parseTrace } from '#platform/telemetry/trace-context';
import { type Receipt, writeLetter } from './letter.ts';
import {
  MAIL_ATTEMPTS,
  MAIL_BACKOFF_MAX_MS,
  MAIL_BACKOFF_MS,
  MAIL_BATCH,
  MAIL_LEASE_MS,
  MAIL_OUTAGE_WAIT_MS,
  SEND_TIMEOUT_MS,
} from './limits.ts';
import type { ClaimedMail } from './mail.ts';
import type { Mailer, OutgoingMail, Sent } from './mailer.ts';
import { notificationMetrics } from './metrics.ts';
import {
  areHeld,
  claimDueMail,
  type EndedMail,
  type EndState,
  endMails,
  postponeMail,
  renewLeases,
} from './store.ts';

export type NotificationContext = ModuleContext<{
  user: Uses<typeof userContract, 'profiles'>;
  order: Uses<typeof orderContract, 'receipts'>;
}>;

/** What the other modules say of a batch of mail, asked once for all of it, and only when a mail wants it. */
interface Facts {
  /** By user. */
  addresses(): Promise<ReadonlyMap<string, string>>;
  /** By order. */
  receipts(): Promise<ReadonlyMap<string, Receipt>>;
}

export interface Sender {
  /** Sends all mail that is due. Whoever calls while it is sending awaits one more look after it. */
  sendDue(): Promise<void>;
  /** Looks for due mail soon, without waiting for it. */
  wake(): void;
  /** Resolves when the mails in progress have ended; no more are claimed. */
  stop(): Promise<void>;
}

const OUTCOMES = ['sent', 'retried', 'failed', 'dropped'] as const;

/**
 * Sends queued mail: claims some, asks who they go to and what they say, and hands them to the mailer. Several
 * senders may run on the same rows. A mail goes out once, unless a process dies between the server's word and our
 * note of it, or is stopped while it sends: then it goes again, under the same Message-ID.
 */
export function createSender(context: NotificationContext, mailer: Mailer): Sender {
  const { database, needs, log, registry } = context;
  const mails = counterOf(registry, notificationMetrics.mails);
  for (const outcome of OUTCOMES) mails.inc({ outcome }, 0);
  /** Claimed mail of which nothing is written down yet. */
  const held = new Set<ClaimedMail>();
  // What is asked and written for several mails at the same time is one statement.
  const isHeld = createBatch<ClaimedMail, boolean>({
    run: (batch) => areHeld(database, batch),
    max: MAIL_BATCH,
  });
  const endMail = createBatch<EndedMail, void>({
    async run(batch) {
      await endMails(database, batch);
      return batch.map(() => undefined);
    },
    max: MAIL_BATCH,
  });
  let stopping = false;
  let running: Promise<void> | undefined;
  let again = false;

  async function drain(): Promise<void> {
    try {
      while (again && !stopping) {
        again = false;
        const claimed = await claimDueMail(database, MAIL_BATCH);
        await sendBatch(claimed);
        // A full batch may not be all.
        if (claimed.length === MAIL_BATCH) again = true;
      }
    } finally {
      // In the same breath as the last look at `again`, so that no wake falls between.
      running = undefined;
    }
  }

  async function sendBatch(batch: readonly ClaimedMail[]): Promise<void> {
    if (batch.length === 0) return;
    for (const mail of batch) held.add(mail);
    const heartbeat = setInterval(() => {
      renewLeases(database, [...held]).catch((error: unknown) =>
        log.warn({ err: error }, 'leases of mail not renewed'),
      );
    }, MAIL_LEASE_MS / 3);
    const facts = factsOf(batch);
    const queue = batch.values();
    const lanes = Array.from({ length: mailer.atOnce }, async () => {
      for (const mail of queue) {
        // What is asked for all of them stands in the trace of the mail that asked first.
        await runInContext(contextOf(mail), () => sendOne(mail, facts));
      }
    });
    await Promise.all(lanes).finally(() => clearInterval(heartbeat));
  }

  function factsOf(batch: readonly ClaimedMail[]): Facts {
    return {
      addresses: once(async () => {
        const { users } = await needs.user.profiles({ ids: unique(batch.map(({ userId }) => userId)) });
        return new Map(users.map((user) => [user.id, user.email]));
      }),
      receipts: once(async () => {
        const orderIds = batch.flatMap(({ about }) =>
          about.kind === 'order_paid' ? about.data.orderId : [],
        );
        const { receipts } = await needs.order.receipts({ orderIds: unique(orderIds) });
        return new Map(receipts.map((receipt) => [receipt.orderId, receipt]));
      }),
    };
  }

  async function sendOne(mail: ClaimedMail, facts: Facts): Promise<void> {
    const { id, about } = mail;
    let isOnItsWay = false;
    try {
      if (stopping) return await giveBack(mail, 0, 'stopped');
      const to = (await facts.addresses()).get(mail.userId);
      if (to === undefined) return await finish(mail, 'dropped', null);
      const receipt = about.kind === 'order_paid' ? await receiptOf(about.data.orderId, facts) : undefined;
      const outgoing = { id, to, ...writeLetter(about, receipt) };
      // A process that was stopped may come back when another one has long sent it.
      if (!(await isHeld(mail))) return void held.delete(mail);
      isOnItsWay = true;
      await end(mail, await send(outgoing, mail));
    } catch (error) {
      // Another module is away: that says nothing of this mail, and is no try of sending it.
      const isOutage = !isOnItsWay && isUnavailable(error);
      await (isOutage ? awaitOthers(mail, error) : tryLater(mail, error)).catch((cause: unknown) => {
        // The lease runs out by itself, and the mail is claimed again.
        log.warn({ err: cause, mailId: id }, 'could not record a failed mail');
      });
    }
  }

  async function send(outgoing: OutgoingMail, { about, attempts }: ClaimedMail): Promise<Sent> {
    const attributes = { 'banyan.mail': about.kind, 'banyan.attempts': attempts - 1 };
    return await span('send mail', { kind: 'client', attributes }, async (sending) => {
      const work = mailer.send(outgoing);
      const sent = await withDeadline(work, SEND_TIMEOUT_MS, `sending mail ${outgoing.id}`);
      if (sent.state === 'refused') sending.fail('refused');
      return sent;
    });
  }

  async function receiptOf(orderId: string, facts: Facts): Promise<Receipt> {
    const receipt = (await facts.receipts()).get(orderId);
    if (receipt === undefined) throw new AppError('not_found', 'order_not_found', 'the order is not there');
    return receipt;
  }

  async function end(mail: ClaimedMail, sent: Sent): Promise<void> {
    if (sent.state === 'sent') return await finish(mail, 'sent', null);
    log.error({ mailId: mail.id, kind: mail.about.kind, reason: sent.reason }, 'mail refused by its server');
    await finish(mail, 'failed', sent.reason);
  }

  async function awaitOthers(mail: ClaimedMail, { code }: AppError): Promise<void> {
    log.warn({ mailId: mail.id, kind: mail.about.kind, reason: code }, 'mail waits for another module');
    // It never was on its way, so its claim was no try.
    await giveBack(mail, MAIL_OUTAGE_WAIT_MS, code, mail.attempts - 1);
  }

  async function tryLater(mail: ClaimedMail, error: unknown): Promise<void> {
    const reason = describe(error);
    const fields = { mailId: mail.id, kind: mail.about.kind, attempts: mail.attempts, reason };
    if (mail.attempts >= MAIL_ATTEMPTS) {
      log.error(fields, 'mail given up');
      return await finish(mail, 'failed', reason);
    }
    log.warn(fields, 'mail not sent, will be tried again');
    mails.inc({ outcome: 'retried' });
    await giveBack(mail, backoffMs(mail.attempts, MAIL_BACKOFF_MS, MAIL_BACKOFF_MAX_MS), reason);
  }

  async function finish(mail: ClaimedMail, state: EndState, reason: string | null): Promise<void> {
    // Held until it is written, which may take as long as a statement may.
    await endMail({ mail, state, error: reason }).finally(() => held.delete(mail));
    mails.inc({ outcome: state });
  }

  async function giveBack(
    mail: ClaimedMail,
    waitMs: number,
    reason: string,
    attempts?: number,
  ): Promise<void> {
    // Let go of before it is written, or a heartbeat under way would hold it for longer than the wait.
    held.delete(mail);
    await postponeMail(database, mail, waitMs, reason, attempts);
  }

  async function sendDue(): Promise<void> {
    again = true;
    // Not in the context of whoever woke it, since it sends other mail as well.
    running ??= runInContext({ requestId: 'mail', ...newTrace() }, drain);
    await running;
  }

  return {
    sendDue,
    wake() {
      if (stopping) return;
      sendDue().catch((error: unknown) => log.error({ err: error }, 'could not look for due mail'));
    },
    async stop() {
      stopping = true;
      await running;
    },
  };
}

/** A mail goes on with the trace of its event. */
function contextOf({ id, about, trace }: ClaimedMail): RequestContext {
  const ids = withOrderOf(about.data, { eventId: id });
  return { requestId: `mail-${id}`, ...(parseTrace(trace) ?? newTrace()), ids };
}

/** Asks at the first call; later ones share that answer, or that failure. */
function once<T>(ask: () => Promise<T>): () => Promise<T> {
  let asked: Promise<T> | undefined;
  return () => {
    asked ??= ask();
    return asked;
  };
}

function unique(ids: readonly string[]): string[] {
  return [...new Set(ids)];
}

/** Codes only: a mail server's own words often repeat the address. */
function describe(error: unknown): string {
  if (error instanceof AppError) return error.code;
  const { code, responseCode } = error as { code?: unknown; responseCode?: unknown };
  if (typeof responseCode === 'number') return `SMTP ${responseCode}`;
  return typeof code === 'string' ? code : error instanceof Error ? error.name : 'unknown';
}
