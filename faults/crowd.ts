import { type Answered, type Buyer, tryToBuy, waitPolitely } from './buyers.ts';
import { type AcknowledgedOrder, type Load, percentiles } from './load.ts';
import type { Attempt } from './rotating-client.ts';

/** Many customers at once, each of whom repeats their order until it has a final answer. */
export interface Crowd {
  /** Buys with a good card; resolves with what became of it. */
  buy(buyer: Buyer, key: string, items: readonly { sku: string; quantity: number }[]): Promise<Outcome>;
  /** Tries that were answered 503. */
  readonly busy: number;
  /** What all of them were told, for a verdict. */
  readonly load: Load;
}

export type Outcome = 'paid' | 'refused' | 'failed';

/** Whoever is not served in this time is not served. */
const PATIENCE_MS = 180_000;

export function createCrowd(urls: readonly string[]): Crowd {
  const orders = new Map<string, AcknowledgedOrder>();
  /** Orders that were named under a key. */
  const known = new Map<string, string[]>();
  const attempts: Attempt[] = [];
  const problems: string[] = [];
  const outcomes = { paid: 0, refused: 0, failed: 0 };
  let begun = 0;
  let turn = 0;
  let busy = 0;
  let lastAckMs = performance.now();
  let worstStallMs = 0;

  async function attempt(number: number, ...[url, ...rest]: Parameters<typeof tryToBuy>): Promise<Answered> {
    const startedMs = performance.now();
    let outcome = 'no answer';
    try {
      const answer = await tryToBuy(url, ...rest);
      outcome = String(answer.status);
      return answer;
    } finally {
      const durationMs = performance.now() - startedMs;
      attempts.push({ method: 'POST', path: '/orders', number, startedMs, durationMs, outcome });
    }
  }

  function remember(key: string, { body }: Answered, status: string): void {
    const id: string = body.orderId ?? body.id;
    const other = [...(known.get(key) ?? [])].filter((each) => each !== id);
    for (const earlier of other) {
      const order = orders.get(earlier)!;
      // An order that was given up frees its key, and the repeat is a new order.
      if (order.status === 'pending') order.status = 'cancelled';
      else problems.push(`${key}: order ${earlier} was ${order.status}, and the repeat got order ${id}`);
    }
    known.set(key, [...other, id]);
    orders.set(id, { key, id, status, total: body.total?.amount, refunded: 0 });
  }

  function end(outcome: Outcome): Outcome {
    outcomes[outcome] += 1;
    const now = performance.now();
    worstStallMs = Math.max(worstStallMs, now - lastAckMs);
    lastAckMs = now;
    return outcome;
  }

  async function buy(buyer: Buyer, key: string, items: readonly { sku: string; quantity: number }[]) {
    // Between two crowds nobody waits.
    if (begun === outcomes.paid + outcomes.refused + outcomes.failed) lastAckMs = performance.now();
    begun += 1;
    const endsAt = performance.now() + PATIENCE_MS;
    for (let number = 1; performance.now() < endsAt; number += 1) {
      const url = urls[turn++ % urls.length]!;
      const answer = await attempt(number, url, buyer.token, key, { items, card: 'tok_ok' }).catch(
        (error: unknown) => {
          problems.push(`${key}: no answer from ${url}: ${String(error)}`);
          return undefined;
        },
      );
      if (!answer) return end('failed');
      const { status, body, retryAfter } = answer;
      if (status === 201) {
        remember(key, answer, body.status);
        if (body.status !== 'paid') problems.push(`${key}: its order is ${body.status}`);
        return end('paid');
      }
      if (status === 409 && body.code === 'insufficient_stock') {
        remember(key, answer, 'rejected');
        return end('refused');
      }
      if (status === 202) remember(key, answer, 'pending');
      else if (status === 503) busy += 1;
      else if (status !== 409 || body.code !== 'idempotency_key_in_flight') {
        problems.push(`${key}: ${status} ${JSON.stringify(body)}`);
        return end('failed');
      }
      if (status === 503 && retryAfter === null) problems.push(`${key}: 503 without Retry-After`);
      await waitPolitely(retryAfter);
    }
    problems.push(`${key}: not served in ${PATIENCE_MS} ms`);
    return end('failed');
  }

  const load: Load = {
    orders,
    attempts,
    problems,
    get acknowledged() {
      return outcomes.paid + outcomes.refused;
    },
    get begun() {
      return begun;
    },
    get worstStallMs() {
      return worstStallMs;
    },
    describe() {
      const { p50, p99 } = percentiles(attempts.map(({ durationMs }) => durationMs));
      const figure = (count: number) => count.toLocaleString('en-US');
      return `${figure(begun)} orders, ${figure(busy)} times 503, p50 ${Math.round(p50)} ms, p99 ${Math.round(p99)} ms`;
    },
    // Whoever calls `buy` knows when it has ended.
    reached: async () => undefined,
    stop: async () => undefined,
  };
  return {
    buy,
    get busy() {
      return busy;
    },
    load,
  };
}
