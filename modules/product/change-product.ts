import type { Transaction } from '#platform/database/database';
import { requireFresh } from '#platform/http/idempotency';
import { invalidRequest } from '#platform/http/problem';
import { addVariants } from './add-products.ts';
import {
  type CatalogueRow,
  isUniqueViolation,
  type KnownVariant,
  loadProducts,
  lockProduct,
  type StoredProduct,
  updateOptions,
  updateProducts,
  variantsOf,
} from './catalogue-store.ts';
import { VARIANTS_PER_PRODUCT } from './limits.ts';
import { refreshLowestPrices, upsertPrices } from './price-store.ts';
import { productNotFound, skuTaken, slugTaken } from './problems.ts';
import type { ProductChangeBody } from './product-bodies.ts';
import type { ProductsChanged } from './product-cache.ts';
import { refreshInStock } from './stock-store.ts';

type VariantChange = NonNullable<ProductChangeBody['variants']>[number];

/**
 * Applies a change to a product; what is the same already is no change, and without any the version stays.
 * `not_found`, `precondition_failed` (stale), `slug_taken`, `sku_taken` (conflict), `invalid_request` for stock
 * of a known variant or too many variants. Safe to repeat.
 */
export async function changeProduct(
  tx: Transaction,
  newId: () => string,
  changed: ProductsChanged,
  change: { id: string; ifMatch: readonly string[] | undefined; body: ProductChangeBody },
): Promise<StoredProduct> {
  const { id, body } = change;
  const current = await lockProduct(tx, id);
  if (!current) throw productNotFound();
  requireFresh(change.ifMatch, current.version);
  const wanted = { ...current, ...definedFields(body) };
  const variantsChanged = await changeVariants(tx, newId, id, body.variants ?? []);
  if (variantsChanged || differs(current, wanted)) {
    await update(tx, wanted);
    changed(tx, [id]);
  }
  const [product] = await loadProducts(tx, [id]);
  return product!;
}

async function update(tx: Transaction, wanted: CatalogueRow): Promise<void> {
  await updateProducts(tx, [wanted]).catch((error: unknown) => {
    // A change alters one product, so the slug is the only unique value that it can hit.
    if (isUniqueViolation(error)) throw slugTaken(wanted.slug);
    throw error;
  });
}

function definedFields(body: ProductChangeBody): Partial<CatalogueRow> {
  const { variants: _, ...fields } = body;
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

/** Whether the two differ in what people see. */
export function differs(a: Omit<CatalogueRow, 'version'>, b: Omit<CatalogueRow, 'version'>): boolean {
  return (
    a.slug !== b.slug ||
    a.name !== b.name ||
    a.description !== b.description ||
    a.category !== b.category ||
    a.status !== b.status
  );
}

/** Adds and changes variants of a locked product by sku; tells whether anything is different now. */
async function changeVariants(
  tx: Transaction,
  newId: () => string,
  productId: string,
  changes: readonly VariantChange[],
): Promise<boolean> {
  if (changes.length === 0) return false;
  const existing = await variantsOf(tx, productId);
  const bySku = new Map(existing.map((variant) => [variant.sku, variant]));
  const misplaced = changes.flatMap((change, index) =>
    bySku.has(change.sku) && change.onHand !== undefined
      ? [
          {
            path: `variants.${index}.onHand`,
            message: 'counts for new variants only; stock is moved by its ledger',
          },
        ]
      : [],
  );
  if (misplaced.length > 0) throw invalidRequest(misplaced);
  const added = changes.filter((change) => !bySku.has(change.sku));
  if (existing.length + added.length > VARIANTS_PER_PRODUCT) {
    throw invalidRequest([
      { path: 'variants', message: `a product has at most ${VARIANTS_PER_PRODUCT} variants` },
    ]);
  }
  await addNew(tx, newId, productId, existing, added);
  const changed = await changeKnown(tx, bySku, changes);
  if (added.length === 0 && !changed) return false;
  await refreshLowestPrices(tx, [productId]);
  if (added.length > 0) await refreshInStock(tx, [productId]);
  return true;
}

async function addNew(
  tx: Transaction,
  newId: () => string,
  productId: string,
  existing: readonly KnownVariant[],
  added: readonly VariantChange[],
): Promise<void> {
  if (added.length === 0) return;
  const next = (existing.at(-1)?.position ?? -1) + 1;
  const taken = await addVariants(
    tx,
    added.map(({ sku, options = {}, prices = [], onHand = 0 }, index) => ({
      id: newId(),
      productId,
      sku,
      options,
      prices,
      onHand,
      position: next + index,
    })),
  );
  if (taken.length > 0) throw skuTaken(taken);
}

async function changeKnown(
  tx: Transaction,
  bySku: ReadonlyMap<string, KnownVariant>,
  changes: readonly VariantChange[],
): Promise<boolean> {
  const known = changes.flatMap((change) => {
    const variant = bySku.get(change.sku);
    return variant ? [{ ...change, variant }] : [];
  });
  const options = known.flatMap(({ variant, options }) =>
    options !== undefined && !sameOptions(options, variant.options) ? [{ id: variant.id, options }] : [],
  );
  if (options.length > 0) await updateOptions(tx, options);
  const repriced = await upsertPrices(
    tx,
    known.flatMap(({ variant, prices = [] }) => prices.map((price) => ({ ...price, variantId: variant.id }))),
  );
  return options.length > 0 || repriced.size > 0;
}

function sameOptions(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}
