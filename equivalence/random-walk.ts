import { createRandom } from '../src/testing/random.ts';
import { enter } from './cast.ts';
import type { Person, Scenario, Stage } from './stage.ts';

/** What is sold on the walk; the last ones run out soon. */
const PRICES: Readonly<Record<string, number>> = { W1: 100, W2: 250, W3: 999, W4: 1, W5: 5_000, W6: 75 };
const ON_HAND: Readonly<Record<string, number>> = {
  W1: 10_000,
  W2: 10_000,
  W3: 10_000,
  W4: 10_000,
  W5: 12,
  W6: 9,
};
/** A silent provider takes 2 s and one that calls later 1.5 s, so they come seldom. */
const CARDS: readonly (readonly [token: string | undefined, weight: number])[] = [
  ['tok_ok', 60],
  ['tok_declined', 12],
  ['tok_flaky', 6],
  ['tok_later', 2],
  ['tok_timeout', 1],
  [undefined, 19],
];

interface Walk {
  readonly stage: Stage;
  readonly random: () => number;
  readonly step: number;
  readonly people: Person[];
  readonly orders: { id: string; owner: Person; key: string; json: unknown }[];
  readonly products: Map<string, string>;
}

type Action = (walk: Walk) => Promise<void>;

/** Actions with how often they come; valid or not is left to chance and to what went before. */
const actions: readonly (readonly [action: Action, weight: number])[] = [
  [placeOrder, 34],
  [repeatOrder, 6],
  [payOrder, 10],
  [cancelOrder, 10],
  [shipOrder, 8],
  [deliverOrder, 5],
  [refundPayment, 7],
  [readOrder, 8],
  [listOrders, 4],
  [changePrice, 4],
  [adjustStock, 4],
  [listProducts, 4],
  [changeProfile, 4],
  [readSomebody, 3],
  [archiveOrRevive, 3],
];

/** So many actions by one client, one after another, all of them decided by the seed and by earlier answers. */
export function randomWalk(seed: number, steps: number): Scenario {
  return {
    name: `a random walk of ${steps} steps by the seed ${seed}`,
    async run(stage) {
      const random = createRandom(seed);
      const people: Person[] = [];
      for (const name of ['walker-1', 'walker-2', 'walker-3']) people.push(await enter(stage, name));
      const products = new Map<string, string>();
      for (const [sku, amount] of Object.entries(PRICES)) {
        const prices = [{ amount, currency: 'GBP' }];
        const json = {
          name: `Walk ${sku}`,
          category: 'walk',
          variants: [{ sku, prices, onHand: ON_HAND[sku] }],
        };
        const { body } = await stage.send('POST', '/products', { as: stage.person('sam'), json });
        products.set(sku, body.id);
      }
      const orders: Walk['orders'] = [];
      for (let step = 1; step <= steps; step += 1) {
        await weighted(random, actions)({ stage, random, step, people, orders, products });
      }
    },
  };
}

async function placeOrder({ stage, random, step, people, orders }: Walk): Promise<void> {
  const owner = pick(random, people);
  const skus = [...Object.keys(PRICES), ...(random() < 0.06 ? ['W-NONE'] : [])];
  const items = Array.from({ length: 1 + Math.floor(random() * 3) }, () => ({
    sku: random() < 0.06 ? skus.at(-1)! : pick(random, skus),
    quantity: 1 + Math.floor(random() * 4),
  }));
  const token = weighted(random, CARDS);
  const json = {
    items,
    currency: random() < 0.04 ? 'EUR' : 'GBP',
    ...(token !== undefined && { payment: { method: 'card', token } }),
    ...(random() < 0.5 && { shippingAddress: { line1: `step ${step}` } }),
  };
  const key = `walk-${step}`;
  const first = await stage.send('POST', '/orders', { as: owner, key, json });
  const id = first.body.id ?? first.body.orderId;
  if (id !== undefined) orders.push({ id, owner, key, json });
  // The repeat waits for the provider's word, so that nothing is under way at the next step.
  if (first.status === 202) await stage.send('POST', '/orders', { as: owner, key, json });
}

async function repeatOrder({ stage, random, orders }: Walk): Promise<void> {
  const { owner, key, json } = pickAny(random, orders) ?? {};
  if (owner === undefined) return;
  const other = random() < 0.3 ? { ...(json as object), currency: 'USD' } : json;
  await stage.send('POST', '/orders', { as: owner, key, json: other });
}

async function payOrder({ stage, random, step, orders }: Walk): Promise<void> {
  const order = pickAny(random, orders.slice(-12));
  if (order === undefined) return;
  const token = random() < 0.8 ? 'tok_ok' : 'tok_declined';
  await stage.send('POST', `/orders/${order.id}/payment`, {
    as: order.owner,
    key: `walk-pay-${step}`,
    json: { method: 'card', token },
  });
}

async function cancelOrder({ stage, random, people, orders }: Walk): Promise<void> {
  const order = pickAny(random, orders.slice(-20));
  if (order === undefined) return;
  const as = pick(random, [order.owner, order.owner, stage.person('sam'), pick(random, people)]);
  // An order that was just paid is sold by an event; whether it is so by now would be seen in the stock's ledger.
  await stage.settle();
  await stage.send('POST', `/orders/${order.id}/cancel`, { as, json: { reason: 'by chance' } });
}

async function shipOrder({ stage, random, step, orders }: Walk): Promise<void> {
  const order = pickAny(random, orders.slice(-20));
  if (order === undefined) return;
  const json = { trackingNumber: `T-${step}`, ...(random() < 0.5 && { carrier: 'Post' }) };
  await stage.send('POST', `/orders/${order.id}/ship`, { as: stage.person('sam'), json });
}

async function deliverOrder({ stage, random, orders }: Walk): Promise<void> {
  const order = pickAny(random, orders.slice(-20));
  if (order === undefined) return;
  await stage.send('POST', `/orders/${order.id}/deliver`, { as: stage.person('sam') });
}

async function refundPayment({ stage, random, step, orders }: Walk): Promise<void> {
  const order = pickAny(random, orders.slice(-20));
  if (order === undefined) return;
  const sam = stage.person('sam');
  const { body } = await stage.send('GET', `/orders/${order.id}?expand=payment`, { as: sam });
  if (!body.payment) return;
  const amount = 1 + Math.floor(random() * 1.2 * body.payment.amount.amount);
  await stage.send('POST', `/payments/${body.payment.id}/refunds`, {
    as: sam,
    key: `walk-refund-${step}`,
    json: { amount: { amount, currency: body.payment.amount.currency }, reason: 'by chance' },
  });
}

async function readOrder({ stage, random, people, orders }: Walk): Promise<void> {
  const order = pickAny(random, orders);
  if (order === undefined) return;
  const as = pick(random, [...people, stage.person('sam')]);
  const path = random() < 0.5 ? `/orders/${order.id}/events` : `/orders/${order.id}?expand=user,payment`;
  await stage.send('GET', path, { as });
}

async function listOrders({ stage, random, people }: Walk): Promise<void> {
  const status = pick(random, ['paid', 'cancelled', 'awaiting_payment', 'rejected', 'shipped']);
  await stage.send('GET', `/orders?limit=3&status=${status}`, { as: pick(random, people) });
}

async function changePrice({ stage, random, products }: Walk): Promise<void> {
  const [sku, id] = pick(random, [...products]);
  const amount = Math.floor(random() * 500);
  await stage.send('PUT', `/products/${id}/variants/${sku}/prices/GBP`, {
    as: stage.person('sam'),
    json: { amount },
  });
}

async function adjustStock({ stage, random, step, products }: Walk): Promise<void> {
  const [sku, id] = pick(random, [...products]);
  await stage.settle();
  await stage.send('POST', `/products/${id}/variants/${sku}/stock`, {
    as: stage.person('sam'),
    key: `walk-stock-${step}`,
    json: { delta: Math.floor(random() * 20) - 8, reason: 'counted' },
  });
}

/** Lists are read from the database, so that no cache is a second behind. */
async function listProducts({ stage, random }: Walk): Promise<void> {
  const sort = pick(random, ['price', '-price', 'name', '-createdAt']);
  const inStock = pick(random, ['', '&inStock=true', '&inStock=false']);
  await stage.settle();
  await stage.send('GET', `/products?category=walk&currency=GBP&sort=${sort}${inStock}`);
}

async function changeProfile({ stage, random, step, people }: Walk): Promise<void> {
  const somebody = pick(random, people);
  const username = random() < 0.3 ? 'anna' : `${somebody.name} of ${step}`;
  await stage.send('PATCH', `/users/${somebody.id}`, { as: pick(random, people), json: { username } });
}

async function readSomebody({ stage, random, people }: Walk): Promise<void> {
  const as = pick(random, [...people, stage.person('admin')]);
  await stage.send('GET', `/users/${pick(random, people).id}`, { as });
}

async function archiveOrRevive({ stage, random, products }: Walk): Promise<void> {
  const [, id] = pick(random, [...products].slice(3));
  const as = stage.person('sam');
  if (random() < 0.4) await stage.send('DELETE', `/products/${id}`, { as });
  else await stage.send('PATCH', `/products/${id}`, { as, json: { status: 'active' } });
}

function pick<T>(random: () => number, from: readonly T[]): T {
  return from[Math.floor(random() * from.length)]!;
}

function pickAny<T>(random: () => number, from: readonly T[]): T | undefined {
  return from.length === 0 ? undefined : pick(random, from);
}

function weighted<T>(random: () => number, choices: readonly (readonly [T, number])[]): T {
  let left = random() * choices.reduce((sum, [, weight]) => sum + weight, 0);
  for (const [choice, weight] of choices) {
    left -= weight;
    if (left < 0) return choice;
  }
  return choices.at(-1)![0];
}
