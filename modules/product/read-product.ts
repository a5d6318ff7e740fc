import { createBatch } from '#platform/batch';
import type { Database } from '#platform/database/database';
import { loadProducts, type StoredProduct } from './catalogue-store.ts';
import { READ_LANES, READ_TOGETHER } from './limits.ts';
import { productNotFound } from './problems.ts';

/** Reads a product by its id, archived ones too; what is asked for at one time is read together. `not_found`. */
export function createReadProduct(database: Database): (id: string) => Promise<StoredProduct> {
  const read = createBatch<string, StoredProduct | undefined>({
    async run(ids) {
      const found = await loadProducts(database, ids);
      const byId = new Map(found.map((stored) => [stored.product.id, stored]));
      return ids.map((id) => byId.get(id.toLowerCase()));
    },
    max: READ_TOGETHER,
    lanes: READ_LANES,
  });
  return async (id) => {
    const found = await read(id);
    if (!found) throw productNotFound();
    return found;
  };
}
