import type { Transaction } from '#platform/database/database';
import { invariant } from '#platform/errors';
import type { JobRun, LineError } from '#platform/jobs/jobs';
import type { ModuleContext } from '#platform/module';
import { addProducts } from './add-products.ts';
import { updateProducts } from './catalogue-store.ts';
import { deleteImport, lockBySku, lockImports, type ReadRow, readStaged } from './import-store.ts';
import { APPLY_BATCH } from './limits.ts';
import { planImport, sortRows } from './plan-import.ts';
import { refreshLowestPrices, upsertPrices } from './price-store.ts';
import type { ProductsChanged } from './product-cache.ts';

/**
 * Applies a staged catalogue, a batch and its progress in one transaction, so that another worker goes on where
 * this one stopped. The staged rows are removed at the end.
 */
export async function applyImport(
  context: Pick<ModuleContext, 'database' | 'newId'>,
  changed: ProductsChanged,
  run: JobRun<unknown>,
): Promise<void> {
  for (let done = run.done; ; ) {
    const applied = await context.database.transaction(async (tx) => {
      await lockImports(tx);
      const rows = await readStaged(tx, run.id, done, APPLY_BATCH);
      if (rows.length === 0) {
        await deleteImport(tx, run.id);
        return 0;
      }
      const errors = await applyRows(tx, context.newId, changed, rows);
      await run.progress(tx, { done: done + rows.length, errors });
      return rows.length;
    });
    if (applied === 0) return;
    done += applied;
  }
}

/** Applies rows and returns those that cannot be; a number of statements that is fixed. */
async function applyRows(
  tx: Transaction,
  newId: () => string,
  onChange: ProductsChanged,
  rows: readonly ReadRow[],
): Promise<LineError[]> {
  const { entries, errors } = sortRows(rows);
  const known = await lockBySku(
    tx,
    entries.map((entry) => entry.sku),
  );
  const { added, changed, prices } = planImport(entries, known, newId);
  const touched = new Map(changed);
  const repriced = await upsertPrices(
    tx,
    prices.map(({ product: _, ...price }) => price),
  );
  for (const { variantId, product } of prices) {
    if (repriced.has(variantId) && !touched.has(product.id)) touched.set(product.id, product);
  }
  if (touched.size > 0) {
    await refreshLowestPrices(tx, [...touched.keys()]);
    await updateProducts(tx, [...touched.values()]);
    onChange(tx, touched.keys());
  }
  if (added.length > 0) {
    const { takenSkus } = await addProducts(tx, added);
    // Only a product created at this very moment can be in the way; the job's next try finds its sku known.
    invariant(takenSkus.length === 0, `skus ${takenSkus.join(', ')} are still new`);
  }
  return errors;
}
