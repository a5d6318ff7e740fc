import type { z } from 'zod';
import type { Database } from '#platform/database/database';
import type { Cursors } from '#platform/http/cursor';
import type { Product } from './contract.ts';
import { findProducts, type Position } from './list-store.ts';
import type { productListQuery } from './routes.ts';

export type ProductListQuery = z.output<typeof productListQuery>;

/**
 * A page of active products, read with variants, prices and stock in one statement. `invalid_cursor` for a cursor of
 * another list.
 */
export async function listProducts(
  database: Database,
  cursors: Cursors,
  query: ProductListQuery,
): Promise<{ data: Product[]; nextCursor: string | null }> {
  const { limit, cursor, sort, ...filter } = query;
  const list = `products ${JSON.stringify([sort, filter])}`;
  const after = cursor === undefined ? undefined : positionFrom(cursors.open(list, cursor));
  const found = await findProducts(database, { filter, sort, after, limit: limit + 1 });
  const page = found.slice(0, limit);
  const last = page.at(-1)?.position;
  return {
    data: page.map(({ product }) => product),
    nextCursor: found.length > limit && last ? cursors.seal(list, [last.key, last.id]) : null,
  };
}

function positionFrom(values: readonly unknown[]): Position {
  const [key, id] = values as [string | number, string];
  return { key, id };
}
