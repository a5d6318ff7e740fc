import { randomBytes } from 'node:crypto';
import { type ApiAnswer, problemOf, ShopUnavailable } from '../src/commands/api-client.ts';
import { importCatalogue } from '../src/commands/import-catalogue.ts';
import { type Credentials, registerAndSignIn, type Session, signIn } from '../src/commands/session.ts';
import { sleep } from '../src/deadline.ts';
import { createRandom } from '../src/testing/random.ts';
import { pick, pickNumber } from './fault.ts';
import { type Attempt, createRotatingClient } from './rotating-client.ts';

export interface LoadOptions {
  /** The http processes, asked in turn. */
  readonly urls: readonly string[];
  readonly admin: Credentials;
  readonly seed: number;
  /** Customers that order at the same time; 12 unless given. */
  readonly lanes?: number;
  /** Orders a second that all lanes together aim at; 40 unless given, which leaves a small machine room to recover. */
  readonly ordersPerSecond?: number;
  /** Clients turn to another process after this; 60 s unless given, longer than any answer may take. */
  readonly attemptMs?: number;
  /** Only cards that a provider answers at once, so that every request's time is the shop's own. */
  readonly plain?: boolean;
}

/** What the shop has told a client of one order. */
export interface AcknowledgedOrder {
  readonly key: string;
  readonly id: string;
  /** What its status must be in the end. */
  status: string;
  /** In minor units; undefined where the answer did not say. */
  readonly total: number | undefined;
  /** Acknowledged refunds, in minor units. */
  refunded: number;
}

export interface Load {
  /** By order id. */
  readonly orders: ReadonlyMap<string, AcknowledgedOrder>;
  /** Keys whose outcome the client knows. */
  readonly acknowledged: number;
  /** Orders begun. */
  readonly begun: number;
  /** Every try of every request. */
  readonly attempts: readonly Attempt[];
  /** Answers that break the contract, and requests that never got one; a sentence each. */
  readonly problems: readonly string[];
  readonly worstStallMs: number;
  /** As `1,204 orders by 8 lanes, 12 retries, p50 12 ms, p99 240 ms`. */
  describe(): string;
  /** Resolves when so many orders are acknowledged; rejects when none is for 5 minutes. */
  reached(count: number): Promise<void>;
  /** Begins no more orders, and resolves when those under way have their answers. */
  stop(): Promise<void>;
}

/** Longer than any fault lasts and any saga takes; whoever has no answer by then waits in vain. */
const PATIENCE_MS = 240_000;
/** Longer than any fault keeps a shop from trading. */
const SILENCE_MS = 300_000;
const FOLLOW_MS = 150_000;
const FOLLOW_EVERY_MS = 200;
const CUSTOMERS = 16;
const CURRENCY = 'GBP';
/** Most of the trade is plain; what is slow by design comes seldom, or the lanes would wait for nothing else. */
const CARDS: readonly (readonly [token: string | undefined, weight: number])[] = [
  ['tok_ok', 74],
  ['tok_declined', 8],
  ['tok_flaky', 7],
  ['tok_later', 4],
  ['tok_timeout', 1],
  [undefined, 6],
];
const PROMPT = new Set(['tok_ok', 'tok_declined']);
const PLENTY = 120;
const SCARCE = 4;

/** A catalogue of which nearly all is there in plenty, and some is gone soon. */
function catalogue(): { csv: string; prices: ReadonlyMap<string, number> } {
  const prices = new Map<string, number>();
  const lines = ['sku,name,price_minor,currency,on_hand'];
  for (let number = 1; number <= PLENTY + SCARCE; number += 1) {
    const isScarce = number > PLENTY;
    const sku = isScarce ? `SCARCE-${number}` : `PLENTY-${number}`;
    prices.set(sku, 100 + number * 7);
    lines.push(`${sku},Thing ${number},${prices.get(sku)},${CURRENCY},${isScarce ? 60 : 10_000_000}`);
  }
  return { csv: `${lines.join('\n')}\n`, prices };
}

/**
 * Fills the shop with a catalogue and customers, then orders without end: each lane places orders one after another,
 * pays most of them, and cancels or refunds some. Every request is repeated with its key until it has a final answer.
 * What is ordered follows from the seed.
 */
export async function startLoad(options: LoadOptions): Promise<Load> {
  const { urls, admin, seed, lanes = 12, ordersPerSecond = 40, attemptMs = 60_000, plain = false } = options;
  const cards = plain ? CARDS.filter(([token]) => !token || PROMPT.has(token)) : CARDS;
  const attempts: Attempt[] = [];
  const client = createRotatingClient(urls, {
    patienceMs: PATIENCE_MS,
    attemptMs,
    onAttempt: (each) => attempts.push(each),
  });
  const { csv, prices } = catalogue();
  const skus = [...prices.keys()];
  const quiet = { update: () => undefined, finish: () => undefined };
  const staff = await signIn(client, admin);
  await importCatalogue(client, staff, new Blob([csv]), quiet);
  const customers = await Promise.all(Array.from({ length: CUSTOMERS }, (_, number) => enter(number)));
  attempts.length = 0;

  const orders = new Map<string, AcknowledgedOrder>();
  const latest = new Map<string, AcknowledgedOrder>();
  const problems: string[] = [];
  const waiting = new Set<() => void>();
  const startedMs = performance.now();
  let lastAckMs = startedMs;
  let worstStallMs = 0;
  let acknowledged = 0;
  let begun = 0;
  let stopping = false;

  async function enter(number: number): Promise<Session> {
    const username = `buyer-${number}`;
    const password = randomBytes(12).toString('base64url');
    return await registerAndSignIn(client, { username, email: `${username}@example.com`, password });
  }

  function noteAcknowledged(): void {
    acknowledged += 1;
    const now = performance.now();
    worstStallMs = Math.max(worstStallMs, now - lastAckMs);
    lastAckMs = now;
    for (const wake of waiting) wake();
  }

  /** Remembers what an answer said of its order; two orders under one key are a broken promise. */
  function remember(key: string, status: string, body: ApiAnswer['body']): AcknowledgedOrder | undefined {
    const id: string | undefined = body?.orderId ?? body?.id;
    if (id === undefined) {
      problems.push(`${key}: an answer names no order: ${JSON.stringify(body)}`);
      return undefined;
    }
    const earlier = latest.get(key);
    if (earlier && earlier.id !== id) {
      // An order that was given up frees its key, and the repeat is a new order.
      if (earlier.status === 'pending') earlier.status = 'cancelled';
      else problems.push(`${key}: order ${earlier.id} was ${earlier.status}, and the repeat got order ${id}`);
    }
    const order = { key, id, status, total: body?.total?.amount, refunded: 0 };
    orders.set(id, order);
    latest.set(key, order);
    return order;
  }

  async function place(random: () => number, session: Session, key: string): Promise<void> {
    const items = pickItems(random, skus);
    const expected = items.reduce((sum, { sku, quantity }) => sum + quantity * prices.get(sku)!, 0);
    const card = pickCard(random, cards);
    const request = {
      headers: { 'idempotency-key': key },
      json: {
        items,
        currency: CURRENCY,
        payment: card === undefined ? undefined : { method: 'card', token: card },
        // By it every order in the database is known to belong to a key.
        shippingAddress: { line1: key },
      },
    };
    const send = async () =>
      await client.request('POST', '/orders', { token: await session.token(), ...request });
    let answer = await send();
    for (const endsAt = performance.now() + FOLLOW_MS; answer.status === 202; answer = await send()) {
      remember(key, 'pending', answer.body);
      if (performance.now() > endsAt)
        return void problems.push(`${key}: still pending after ${FOLLOW_MS} ms`);
      await sleep(FOLLOW_EVERY_MS);
    }
    const status = outcomeOf(answer);
    if (status === undefined) return void problems.push(`${key} (${card}): ${problemOf(answer)}`);
    const order = remember(key, status, answer.body);
    noteAcknowledged();
    if (!order) return;
    if (order.total !== undefined && order.total !== expected)
      problems.push(`${key}: its total is ${order.total}, its lines come to ${expected}`);
    if (random() < 0.04) expectSame(key, answer, await send());
    await goOn(random, session, order, answer.body?.paymentId);
  }

  /** Some orders are cancelled, refunded in part, or paid later. */
  async function goOn(
    random: () => number,
    session: Session,
    order: AcknowledgedOrder,
    paymentId: string | null | undefined,
  ): Promise<void> {
    const fate = random();
    if (order.status === 'awaiting_payment' && fate < 0.5) {
      const answer = await untilKnown(async () =>
        client.request('POST', `/orders/${order.id}/payment`, {
          token: await session.token(),
          headers: { 'idempotency-key': `${order.key}-pay` },
          json: { method: 'card', token: 'tok_ok' },
        }),
      );
      if (answer.status === 200) order.status = answer.body.status;
      else problems.push(`${order.key}: paying it later: ${problemOf(answer)}`);
    } else if (order.status === 'paid' && fate < 0.08) {
      const answer = await untilKnown(async () =>
        client.request('POST', `/orders/${order.id}/cancel`, {
          token: await session.token(),
          json: { reason: 'changed my mind' },
        }),
      );
      if (answer.status === 200) order.status = answer.body.status;
      else problems.push(`${order.key}: cancelling it: ${problemOf(answer)}`);
    } else if (order.status === 'paid' && fate > 0.96 && paymentId) {
      const answer = await client.request('POST', `/payments/${paymentId}/refunds`, {
        token: await staff.token(),
        headers: { 'idempotency-key': `${order.key}-refund` },
        json: { amount: { amount: 10, currency: CURRENCY }, reason: 'a scratch' },
      });
      if (answer.status === 201) order.refunded += 10;
      else problems.push(`${order.key}: refunding some of it: ${problemOf(answer)}`);
    }
  }

  /** The same answer under the same key. */
  function expectSame(key: string, first: ApiAnswer, again: ApiAnswer): void {
    const of = ({ status, body }: ApiAnswer) =>
      JSON.stringify([status, body?.id, body?.orderId, body?.status, body?.total, body?.code, body?.items]);
    if (of(first) !== of(again)) problems.push(`${key}: answered ${of(first)} and then ${of(again)}`);
  }

  async function untilKnown(send: () => Promise<ApiAnswer>): Promise<ApiAnswer> {
    const endsAt = performance.now() + FOLLOW_MS;
    for (;;) {
      const answer = await send();
      if (answer.status !== 202 || performance.now() > endsAt) return answer;
      await sleep(FOLLOW_EVERY_MS);
    }
  }

  async function lane(number: number): Promise<void> {
    const random = createRandom(seed * 1_000 + number);
    const restMs = (1_000 * lanes) / ordersPerSecond;
    for (let count = 1; !stopping; count += 1) {
      const key = `lane-${number}-order-${count}`;
      begun += 1;
      const begunMs = performance.now();
      await place(random, pick(random, customers), key).catch((error: unknown) => {
        if (!(error instanceof ShopUnavailable)) throw error;
        problems.push(`${key}: ${error.message}`);
      });
      await sleep(Math.max(0, restMs * (0.5 + random()) - (performance.now() - begunMs)));
    }
  }

  const running = Promise.all(Array.from({ length: lanes }, (_, number) => lane(number)));
  // Whoever awaits `stop` gets the error; until then it must not end the suite.
  running.catch((error: unknown) => problems.push(`the load broke: ${String(error)}`));

  return {
    orders,
    attempts,
    problems,
    get acknowledged() {
      return acknowledged;
    },
    get begun() {
      return begun;
    },
    get worstStallMs() {
      const open = stopping ? 0 : performance.now() - lastAckMs;
      return Math.max(worstStallMs, open);
    },
    describe() {
      const figure = (count: number) => count.toLocaleString('en-US');
      const { p50, p99 } = percentiles(attempts.map((attempt) => attempt.durationMs));
      return `${figure(begun)} orders, ${lanes} lanes, ${figure(client.retries)} retries, p50 ${Math.round(p50)} ms, p99 ${Math.round(p99)} ms`;
    },
    async reached(count) {
      while (acknowledged < count) {
        if (stopping) throw new Error('the load was stopped before it reached its number of orders');
        const silentMs = performance.now() - lastAckMs;
        if (silentMs > SILENCE_MS) {
          const last = attempts.at(-1);
          throw new Error(
            `no order was acknowledged for ${Math.round(silentMs)} ms; last: ${last?.path} ${last?.outcome}`,
          );
        }
        const acked = Promise.withResolvers<void>();
        waiting.add(acked.resolve);
        await Promise.race([acked.promise, sleep(1_000)]);
        waiting.delete(acked.resolve);
      }
    },
    async stop() {
      stopping = true;
      await running;
    },
  };
}

function pickItems(random: () => number, skus: readonly string[]): { sku: string; quantity: number }[] {
  const count = pickNumber(random, 1, 4);
  const chosen = new Map<string, number>();
  for (let line = 0; line < count; line += 1) {
    // Scarce things are asked for seldom, or every order would be refused once they are gone.
    const sku = random() < 0.015 ? pick(random, skus.slice(PLENTY)) : pick(random, skus.slice(0, PLENTY));
    chosen.set(sku, pickNumber(random, 1, 3));
  }
  return [...chosen].map(([sku, quantity]) => ({ sku, quantity }));
}

function pickCard(random: () => number, cards: typeof CARDS): string | undefined {
  let at = random() * cards.reduce((sum, [, weight]) => sum + weight, 0);
  for (const [token, weight] of cards) {
    at -= weight;
    if (at < 0) return token;
  }
  return 'tok_ok';
}

/** The status that the order must have after this answer; undefined where the contract knows no such answer. */
function outcomeOf({ status, body }: ApiAnswer): string | undefined {
  if (status === 201) return body?.status;
  if (status === 402 && body?.code === 'payment_declined') return 'cancelled';
  if (status === 409 && body?.code === 'insufficient_stock') return 'rejected';
  return undefined;
}

/** Nearest-rank percentiles; 0 for an empty list. */
export function percentiles(values: readonly number[]): { p50: number; p99: number; max: number } {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  return { p50: at(0.5), p99: at(0.99), max: sorted.at(-1) ?? 0 };
}
