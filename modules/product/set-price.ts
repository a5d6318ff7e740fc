import type { Database } from '#platform/database/database';
import { requireFresh } from '#platform/http/idempotency';
import type { Money } from '#platform/money';
import { findVariant, lockProduct, updateProducts } from './catalogue-store.ts';
import { refreshLowestPrices, upsertPrices } from './price-store.ts';
import { productNotFound, variantNotFound } from './problems.ts';
import type { ProductsChanged } from './product-cache.ts';

/**
 * Sets a variant's price in one currency; the price it has already is no change. `not_found`,
 * `precondition_failed` (stale, by the product's version). Returns the product's version. Safe to repeat.
 */
export async function setPrice(
  database: Database,
  changed: ProductsChanged,
  change: { productId: string; sku: string; price: Money; ifMatch: readonly string[] | undefined },
): Promise<{ version: number }> {
  return await database.transaction(async (tx) => {
    const product = await lockProduct(tx, change.productId);
    if (!product) throw productNotFound();
    const variant = await findVariant(tx, change.productId, change.sku);
    if (!variant) throw variantNotFound();
    requireFresh(change.ifMatch, product.version);
    const repriced = await upsertPrices(tx, [{ ...change.price, variantId: variant.id }]);
    if (repriced.size === 0) return { version: product.version };
    await refreshLowestPrices(tx, [product.id]);
    await updateProducts(tx, [product]);
    changed(tx, [product.id]);
    return { version: product.version + 1 };
  });
}
