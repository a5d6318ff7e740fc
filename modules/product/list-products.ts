import type { z } from 'zod';
import type { Database } from '#platform/database/database';
import type { Cursors } from '#platform/http/cursor';
import { loadProducts } from './catalogue-store.ts';
import type { Product } from './contract.ts';
import { findProducts, type Position } from './list-store.ts';
import type { productListQuery } from './routes.ts';

/**
 * A page of active products: one statement finds it, one reads it with variants, prices and stock.
 * `invalid_cursor` for a cursor of another list.
 */
export async function listProducts(
  database: Database,
  cursors: Cursors,
  query: z.output<typeof productListQuery>,
): Promise<{ data: Product[]; nextCursor: string | null }> {
  const { limit, cursor, sort, ...filter } = query;
  const list = `products ${JSON.stringify([sort, filter])}`;
  const after = cursor === undefined ? undefined : positionFrom(cursors.open(list, cursor));
  const found = await findProducts(database, filter, sort, after, limit + 1);
  const page = found.slice(0, limit);
  const last = page.at(-1);
  const products = await loadProducts(
    database,
    page.map((row) => row.id),
  );
  return {
    data: products.map(({ product }) => product),
    nextCursor: found.length > limit && last ? cursors.seal(list, [last.key, last.id]) : null,
  };
}

function positionFrom(values: readonly unknown[]): Position {
  const [key, id] = values as [string | number, string];
  return { key, id };
}
