import type { Database } from '#platform/database/database';
import { loadProducts, type StoredProduct } from './catalogue-store.ts';
import { productNotFound } from './problems.ts';

/** A product by its id, archived ones too. `not_found`. */
export async function readProduct(database: Database, id: string): Promise<StoredProduct> {
  const [found] = await loadProducts(database, [id]);
  if (!found) throw productNotFound();
  return found;
}
