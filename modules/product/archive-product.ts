import type { Database } from '#platform/database/database';
import { requireFresh } from '#platform/http/idempotency';
import { archive, lockProduct } from './catalogue-store.ts';
import { productNotFound } from './problems.ts';
import type { ProductsChanged } from './product-cache.ts';

/** Archives a product. `not_found`, `precondition_failed` (stale). Safe to repeat. */
export async function archiveProduct(
  database: Database,
  changed: ProductsChanged,
  id: string,
  ifMatch: readonly string[] | undefined,
): Promise<void> {
  await database.transaction(async (tx) => {
    const current = await lockProduct(tx, id);
    if (!current) throw productNotFound();
    requireFresh(ifMatch, current.version);
    await archive(tx, id);
    changed(tx, [id]);
  });
}
