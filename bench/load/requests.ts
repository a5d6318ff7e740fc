import type { Work } from './plan.ts';

/** What a client sends next, and whether what came back is right. */
export interface Requests {
  next(): Buffer | string;
  /** Undefined when the answer is right, or what is wrong with it. */
  check(status: number, body: Buffer): string | undefined;
}

const PAID = Buffer.from('"status":"paid"');
const ADDRESS =
  '{"name":"Ada Lovelace","line1":"12 Mill Lane","city":"London","postalCode":"N1 1AA","country":"GB"}';

/** `run` tells this run's idempotency keys from those of others. */
export function createRequests(work: Work, url: string, run: string): Requests {
  const { host } = new URL(url);
  if (work.kind === 'order') return orders(work, host, run);
  if (work.kind === 'get') {
    const requests = work.paths.map((path) => Buffer.from(`GET ${path} HTTP/1.1\r\nhost: ${host}\r\n\r\n`));
    return { next: () => pick(requests), check: expectStatus(200) };
  }
  const requests = work.bodies.map((body) =>
    Buffer.from(`${head(work.method, work.path, host)}${withBody(body)}`),
  );
  return { next: () => pick(requests), check: expectStatus(work.status) };
}

function orders(work: Extract<Work, { kind: 'order' }>, host: string, run: string): Requests {
  const { skus, lines, currency, tokens } = work;
  if (lines > skus.length) throw new Error(`${lines} lines of ${skus.length} skus`);
  const heads = tokens.map(
    (token) =>
      `${head('POST', '/api/v1/orders', host)}authorization: Bearer ${token}\r\nidempotency-key: ${run}-`,
  );
  const items = skus.map((sku) => JSON.stringify({ sku, quantity: 1 }));
  const end = `],"currency":"${currency}","payment":{"method":"card","token":"tok_ok"},"shippingAddress":${ADDRESS}}`;
  const isPaid = expectStatus(201);
  let count = 0;
  return {
    next() {
      count += 1;
      const body = `{"items":[${draw(items, lines).join(',')}${end}`;
      return `${heads[count % heads.length]}${count}\r\n${withBody(body)}`;
    },
    check(status, body) {
      return isPaid(status, body) ?? (body.includes(PAID) ? undefined : `not paid: ${excerpt(body)}`);
    },
  };
}

function head(method: string, path: string, host: string): string {
  return `${method} ${path} HTTP/1.1\r\nhost: ${host}\r\n`;
}

/** The end of the head and the body. */
function withBody(body: string): string {
  return `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
}

function expectStatus(expected: number): Requests['check'] {
  return (status, body) =>
    status === expected ? undefined : `status ${status} instead of ${expected}: ${excerpt(body)}`;
}

function excerpt(body: Buffer): string {
  return body.subarray(0, 500).toString();
}

function pick<Item>(items: readonly Item[]): Item {
  return items[Math.floor(Math.random() * items.length)]!;
}

/** So many different ones, by steps from a random place: of a few among many, each pair is about as likely. */
export function draw<Item>(items: readonly Item[], count: number): Item[] {
  if (count === 1) return [pick(items)];
  const chosen = new Set<number>();
  while (chosen.size < count) {
    const at = Math.floor(Math.random() * items.length);
    // Near the end of a draw of nearly all, most places are taken: the next free one is as good.
    for (let step = 0; ; step += 1) {
      const place = (at + step) % items.length;
      if (chosen.has(place)) continue;
      chosen.add(place);
      break;
    }
  }
  return [...chosen].map((place) => items[place]!);
}
