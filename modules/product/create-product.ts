import type { Transaction } from '#platform/database/database';
import { addProducts } from './add-products.ts';
import { loadProducts, type StoredProduct } from './catalogue-store.ts';
import { skuTaken, slugTaken } from './problems.ts';
import type { NewProductBody } from './product-bodies.ts';

/**
 * Creates a product with its variants, prices and first stock. `slug_taken` and `sku_taken` (conflict). Not
 * idempotent by itself: the caller's idempotency key is.
 */
export async function createProduct(
  tx: Transaction,
  newId: () => string,
  body: NewProductBody,
): Promise<StoredProduct> {
  const id = newId();
  const variants = body.variants.map((variant) => ({ ...variant, id: newId() }));
  const refused = await addProducts(tx, [{ ...body, id, slug: body.slug, variants }]);
  if (refused.takenSlugs.length > 0) throw slugTaken(refused.takenSlugs[0]!);
  if (refused.takenSkus.length > 0) throw skuTaken(refused.takenSkus);
  const [product] = await loadProducts(tx, [id]);
  return product!;
}
