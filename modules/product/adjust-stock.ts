import type { Transaction } from '#platform/database/database';
import { findVariant } from './catalogue-store.ts';
import { insufficientStock, variantNotFound } from './problems.ts';
import type { ProductsChanged } from './product-cache.ts';
import { adjust, refreshInStock, type StockEntry } from './stock-store.ts';

/**
 * Adds `delta` pieces to a variant's stock, with a ledger entry. `not_found`; `insufficient_stock` (conflict)
 * when fewer would be left than are reserved. Not idempotent by itself: the caller's idempotency key is.
 */
export async function adjustStock(
  tx: Transaction,
  changed: ProductsChanged,
  movement: { productId: string; sku: string; delta: number; reason: string },
): Promise<StockEntry> {
  const { productId, sku, delta, reason } = movement;
  const variant = await findVariant(tx, productId, sku);
  if (!variant) throw variantNotFound();
  const { available, entry } = await adjust(tx, variant.id, delta, reason);
  if (!entry) throw insufficientStock([{ sku, requested: -delta, available }]);
  changed(tx, [productId]);
  if (available === 0 || available + delta === 0) await refreshInStock(tx, [productId]);
  return entry;
}
