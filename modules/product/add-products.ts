import type { Transaction } from '#platform/database/database';
import type { Money } from '#platform/money';
import { insertProducts, insertVariants, type ProductRow, takenSlugs } from './catalogue-store.ts';
import { refreshLowestPrices, upsertPrices } from './price-store.ts';
import { assignSlugs, slugCandidates } from './slug.ts';

export interface NewVariant {
  readonly id: string;
  readonly sku: string;
  readonly options: Readonly<Record<string, string>>;
  readonly prices: readonly Money[];
  readonly onHand: number;
}

export interface NewProduct {
  readonly id: string;
  /** Undefined: made from the name. */
  readonly slug: string | undefined;
  readonly name: string;
  readonly description: string;
  readonly category: string | null;
  readonly variants: readonly NewVariant[];
}

/** What stood in the way; the caller rolls back by throwing. */
export interface AddedProducts {
  readonly takenSlugs: readonly string[];
  readonly takenSkus: readonly string[];
}

/** Adds a set of products with their variants, stock and prices, in a number of statements that is fixed. */
export async function addProducts(tx: Transaction, products: readonly NewProduct[]): Promise<AddedProducts> {
  const refused = await insertWithSlugs(tx, products);
  if (refused.length > 0) return { takenSlugs: refused, takenSkus: [] };
  const takenSkus = await addVariants(
    tx,
    products.flatMap((product) =>
      product.variants.map((variant, position) => ({ ...variant, productId: product.id, position })),
    ),
  );
  if (takenSkus.length > 0) return { takenSlugs: [], takenSkus };
  await refreshLowestPrices(
    tx,
    products.map((product) => product.id),
  );
  return { takenSlugs: [], takenSkus: [] };
}

/**
 * Adds variants with their stock and prices; the caller refreshes what depends on them. Returns the skus that
 * were taken: nothing was added for those, so the caller rolls back.
 */
export async function addVariants(
  tx: Transaction,
  variants: readonly (NewVariant & { productId: string; position: number })[],
): Promise<string[]> {
  const takenSkus = await insertVariants(
    tx,
    variants.map(({ prices: _, ...variant }) => variant),
  );
  if (takenSkus.length > 0) return takenSkus;
  await upsertPrices(
    tx,
    variants.flatMap((variant) => variant.prices.map((price) => ({ ...price, variantId: variant.id }))),
  );
  return [];
}

/** Inserts the products' rows under the slugs given or the best free ones; returns given slugs that are taken. */
async function insertWithSlugs(tx: Transaction, products: readonly NewProduct[]): Promise<string[]> {
  const wishes = products.map((product) => ({
    id: product.id,
    candidates:
      product.slug === undefined
        ? slugCandidates({ id: product.id, name: product.name, sku: product.variants[0]!.sku })
        : [product.slug],
  }));
  const slugs = assignSlugs(
    wishes,
    await takenSlugs(
      tx,
      wishes.flatMap((wish) => wish.candidates),
    ),
  );
  const rows = products.map((product) => productRow(product, slugs.get(product.id)!));
  const inserted = await insertProducts(tx, rows);
  const missing = products.filter((product) => !inserted.has(product.id));
  const unnamed = missing.filter((product) => product.slug === undefined);
  // Somebody took a free slug since we looked; the last candidate holds the product's id and is free for sure.
  if (unnamed.length > 0) {
    const lastResort = new Map(wishes.map((wish) => [wish.id, wish.candidates.at(-1)!]));
    await insertProducts(
      tx,
      unnamed.map((product) => productRow(product, lastResort.get(product.id)!)),
    );
  }
  return missing.flatMap((product) => product.slug ?? []);
}

function productRow(product: NewProduct, slug: string): ProductRow {
  return {
    id: product.id,
    slug,
    name: product.name,
    description: product.description,
    category: product.category,
    inStock: product.variants.some((variant) => variant.onHand > 0),
  };
}
