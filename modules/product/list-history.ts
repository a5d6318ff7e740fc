import type { Database } from '#platform/database/database';
import type { Cursors } from '#platform/http/cursor';
import { findVariant } from './catalogue-store.ts';
import { type PriceEntry, priceHistory } from './price-store.ts';
import { variantNotFound } from './problems.ts';
import { type StockEntry, stockEntries } from './stock-store.ts';

interface Page {
  readonly productId: string;
  readonly sku: string;
  readonly limit: number;
  readonly cursor?: string | undefined;
}

interface Listed<Entry> {
  readonly data: Entry[];
  readonly nextCursor: string | null;
}

/** A variant's prices, newest first. `not_found`, `invalid_cursor`. */
export async function listPrices(
  database: Database,
  cursors: Cursors,
  page: Page,
): Promise<Listed<Omit<PriceEntry, 'position'>>> {
  return await listNewestFirst(database, cursors, 'prices', page, priceHistory);
}

/** A variant's stock ledger, newest first. `not_found`, `invalid_cursor`. */
export async function listStockEntries(
  database: Database,
  cursors: Cursors,
  page: Page,
): Promise<Listed<Omit<StockEntry, 'position'> & { sku: string }>> {
  const { data, nextCursor } = await listNewestFirst(database, cursors, 'stock', page, stockEntries);
  return { data: data.map((entry) => ({ ...entry, sku: page.sku })), nextCursor };
}

async function listNewestFirst<Entry extends { position: number }>(
  database: Database,
  cursors: Cursors,
  kind: string,
  page: Page,
  read: (
    database: Database,
    variantId: string,
    before: number | undefined,
    limit: number,
  ) => Promise<Entry[]>,
): Promise<Listed<Omit<Entry, 'position'>>> {
  const variant = await findVariant(database, page.productId, page.sku);
  if (!variant) throw variantNotFound();
  const list = `${kind} of ${variant.id}`;
  const before = page.cursor === undefined ? undefined : Number(cursors.open(list, page.cursor)[0]);
  const found = await read(database, variant.id, before, page.limit + 1);
  const shown = found.slice(0, page.limit);
  const last = shown.at(-1);
  return {
    data: shown.map(({ position: _, ...entry }) => entry),
    nextCursor: found.length > page.limit && last ? cursors.seal(list, [last.position]) : null,
  };
}
