import { createHash } from 'node:crypto';
import { sleep } from '../deadline.ts';
import { type ApiAnswer, type ApiClient, problemOf, ShopUnavailable } from './api-client.ts';
import type { Progress } from './progress.ts';
import { registerAndSignIn, type Session } from './session.ts';
import type { TradeOrder } from './trade-file.ts';

/** How often the end of an order that was answered 202 is asked for, and for how long: past any saga's deadline. */
const FOLLOW_EVERY_MS = 250;
const FOLLOW_MS = 120_000;
/** Skus asked for at once, the largest page there is. */
const PRICE_PAGE = 100;

/** What became of one order. */
export interface OrderResult {
  readonly invoice: string;
  readonly orderId: string | undefined;
  readonly lines: number;
  /** As the shop answered. */
  readonly totalMinor: number;
  /** From the request to the order's end; undefined when the shop did not answer. */
  readonly latencyMs: number | undefined;
  /** The shop knew the order from an earlier run. */
  readonly replayed: boolean;
  /** Why it counts as wrong; undefined: paid, and its total is the sum of its lines. */
  readonly fault: string | undefined;
}

export interface ReplayResult {
  readonly orders: readonly OrderResult[];
  readonly customers: number;
  readonly registrationMs: number;
  readonly tradeMs: number;
}

/**
 * Places every order through the public API as its customer, pays it, and compares its total with the sum of
 * quantity times the catalogue's price. Each invoice number is the order's Idempotency-Key, and accounts and
 * passwords follow from the customer's id, so replaying the same trade again places nothing again. Orders that
 * fail are reported in the result, and once the shop is away for longer than the client waits, so are all that are
 * left; only a shop that refuses accounts or hides its catalogue makes it reject.
 */
export async function replayTrade(options: {
  client: ApiClient;
  orders: readonly TradeOrder[];
  currency: string;
  concurrency: number;
  registering?: Progress;
  /** Called when the customers are there, so that the rate counts orders alone. */
  startTrading?: () => Progress;
}): Promise<ReplayResult> {
  const { client, orders, currency, concurrency } = options;
  const customers = [...new Set(orders.map((order) => order.customer))];
  const sessions = new Map<string, Session>();
  const registrationStartedMs = performance.now();
  await inLanes(customers, concurrency, async (customer) => {
    sessions.set(customer, await registerAndSignIn(client, accountOf(customer)));
    options.registering?.update(sessions.size, customers.length);
  });
  const registrationMs = performance.now() - registrationStartedMs;
  options.registering?.finish();
  const prices = await readPrices(client, orders, currency);
  const results: OrderResult[] = [];
  const trading = options.startTrading?.();
  const tradeStartedMs = performance.now();
  let isAway = false;
  await inLanes(orders, concurrency, async (order) => {
    const session = sessions.get(order.customer)!;
    try {
      results.push(
        isAway
          ? unplaced(order, 'not tried: the shop is away')
          : await place(client, session, order, currency, prices),
      );
    } catch (error) {
      // The client has waited long enough for a shop that restarts; each further order would wait as long.
      if (!(error instanceof ShopUnavailable)) throw error;
      isAway = true;
      results.push(unplaced(order, error.message));
    }
    trading?.update(results.length, orders.length);
  });
  trading?.finish();
  return {
    orders: results,
    customers: customers.length,
    registrationMs,
    tradeMs: performance.now() - tradeStartedMs,
  };
}

/** The demo account of a customer. Whoever knows the id can sign in, so replay fills demo shops only. */
function accountOf(customer: string): { username: string; email: string; password: string } {
  const username = `customer-${customer || 'guest'}`;
  const password = createHash('sha256').update(`banyan replay ${username}`).digest('base64url').slice(0, 32);
  return { username, email: `${username}@example.com`, password };
}

async function place(
  client: ApiClient,
  session: Session,
  order: TradeOrder,
  currency: string,
  prices: ReadonlyMap<string, number>,
): Promise<OrderResult> {
  const expectedMinor = order.items.reduce(
    (total, { sku, quantity }) => total + quantity * (prices.get(sku) ?? Number.NaN),
    0,
  );
  const startedMs = performance.now();
  let answer = await client.request('POST', '/orders', {
    token: await session.token(),
    headers: { 'idempotency-key': order.invoice },
    json: { items: order.items, currency, payment: { method: 'card', token: 'tok_ok' } },
  });
  if (answer.status === 202) answer = await follow(client, session, answer);
  return {
    invoice: order.invoice,
    orderId: answer.body?.id,
    lines: order.items.length,
    totalMinor: answer.body?.total?.amount ?? 0,
    latencyMs: performance.now() - startedMs,
    replayed: answer.headers.get('idempotency-replayed') === 'true',
    fault: faultOf(answer, expectedMinor, currency),
  };
}

function unplaced(order: TradeOrder, fault: string): OrderResult {
  const { invoice, items } = order;
  return {
    invoice,
    orderId: undefined,
    lines: items.length,
    totalMinor: 0,
    latencyMs: undefined,
    replayed: false,
    fault,
  };
}

function faultOf(answer: ApiAnswer, expectedMinor: number, currency: string): string | undefined {
  if (answer.status !== 200 && answer.status !== 201) return problemOf(answer);
  const { status, total } = answer.body;
  if (status !== 'paid') return `ended ${status}`;
  if (total.amount !== expectedMinor || total.currency !== currency) {
    return `total ${total.amount} ${total.currency}, lines add up to ${expectedMinor} ${currency}`;
  }
  return undefined;
}

/** Waits for the end of an order that goes on behind its 202; one that stays pending for too long comes back so. */
async function follow(client: ApiClient, session: Session, accepted: ApiAnswer): Promise<ApiAnswer> {
  const path = accepted.headers.get('location') ?? `/orders/${accepted.body.id}`;
  const giveUpAt = performance.now() + FOLLOW_MS;
  for (;;) {
    await sleep(FOLLOW_EVERY_MS);
    const answer = await client.request('GET', path, { token: await session.token() });
    const isEnded = answer.status !== 200 || answer.body.status !== 'pending';
    if (isEnded || performance.now() > giveUpAt) return answer;
  }
}

/** Current prices of all skus in the trade, as the shop's own catalogue lists them; skus without one are left out. */
async function readPrices(
  client: ApiClient,
  orders: readonly TradeOrder[],
  currency: string,
): Promise<Map<string, number>> {
  const skus = [...new Set(orders.flatMap((order) => order.items.map((item) => item.sku)))];
  const prices = new Map<string, number>();
  for (let at = 0; at < skus.length; at += PRICE_PAGE) {
    const wanted = skus.slice(at, at + PRICE_PAGE).map((sku) => ['sku', sku]);
    let cursor: string | null = null;
    do {
      const query = new URLSearchParams([...wanted, ['limit', String(PRICE_PAGE)]]);
      if (cursor !== null) query.set('cursor', cursor);
      const page: ApiAnswer = await client.request('GET', `/products?${query}`);
      if (page.status !== 200) throw new ShopUnavailable(`the catalogue: ${problemOf(page)}`);
      for (const variant of page.body.data.flatMap((product: Listed) => product.variants)) {
        const price = variant.prices.find((candidate: Price) => candidate.currency === currency);
        if (price !== undefined) prices.set(variant.sku, price.amount);
      }
      cursor = page.body.nextCursor;
    } while (cursor !== null);
  }
  return prices;
}

interface Price {
  readonly amount: number;
  readonly currency: string;
}

interface Listed {
  readonly variants: readonly { readonly sku: string; readonly prices: readonly Price[] }[];
}

/** Does `work` for every item, `lanes` at a time, in the items' order. */
async function inLanes<Item>(
  items: readonly Item[],
  lanes: number,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const queue = items.values();
  const lane = async () => {
    for (const item of queue) await work(item);
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}
