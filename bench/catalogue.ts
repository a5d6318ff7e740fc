import { createApiClient } from '../src/commands/api-client.ts';
import { importCatalogue } from '../src/commands/import-catalogue.ts';
import { registerAndSignIn, signIn } from '../src/commands/session.ts';
import { ADMIN, type Shop } from './stack.ts';
import type { Bench } from './suite.ts';

const PATIENCE_MS = 30_000;
/** Never sold out, however long a load runs. */
const ON_HAND = 100_000_000;
/** Rows of one file; larger files would be as quick. */
const FILE_ROWS = 25_000;

export const CURRENCY = 'GBP';

const materials = ['Oak', 'Linen', 'Copper', 'Walnut', 'Ceramic', 'Wool', 'Steel', 'Glass', 'Cork', 'Marble'];
const things = ['table', 'mug', 'lamp', 'bag', 'clock', 'tray', 'vase', 'stool', 'blanket', 'bowl'];
const places = ['kitchen', 'garden', 'office', 'hall', 'bedroom'];

export function skuOf(index: number): string {
  return `S${index}`;
}

export function skus(count: number): string[] {
  return Array.from({ length: count }, (_, index) => skuOf(index));
}

/** Fills a shop that has `present` of them up to `count` products of one variant each, by importing files, as people do. */
export async function fillCatalogue(
  bench: Bench,
  shop: Pick<Shop, 'url'>,
  count: number,
  present = 0,
): Promise<void> {
  const client = createApiClient(shop.url, PATIENCE_MS);
  const staff = await signIn(client, ADMIN);
  for (let first = present; first < count; first += FILE_ROWS) {
    const rows = Math.min(FILE_ROWS, count - first);
    const file = new Blob([catalogueFile(first, rows)]);
    const update = (done: number) => bench.say(`catalogue, ${first + done} of ${count} products`);
    const job = await importCatalogue(client, staff, file, { update, finish: () => undefined });
    if (job.state !== 'done' || job.errors.length > 0)
      throw new Error(`the import ended ${job.state}, with ${job.errors.length} lines left out`);
  }
}

function catalogueFile(first: number, count: number): string {
  const lines = Array.from({ length: count }, (_, at) => {
    const index = first + at;
    const name = `${materials[index % 10]} ${things[Math.floor(index / 10) % 10]} ${index} for the ${places[index % 5]}`;
    return `${skuOf(index)},${name},${100 + (index % 9_900)},${CURRENCY},${ON_HAND},category ${index % 50}`;
  });
  return `sku,name,price_minor,currency,on_hand,category\n${lines.join('\n')}\n`;
}

/** Access tokens of so many new customers; they are good for a quarter of an hour. */
export async function signUpCustomers(shop: Pick<Shop, 'url'>, count: number): Promise<string[]> {
  const client = createApiClient(shop.url, PATIENCE_MS);
  const run = Date.now().toString(36);
  const tokens: string[] = [];
  for (let index = 0; index < count; index += 1) {
    const username = `bench-${run}-${index}`;
    const session = await registerAndSignIn(client, {
      username,
      email: `${username}@example.com`,
      password: 'a long enough password',
    });
    tokens.push(await session.token());
  }
  return tokens;
}
