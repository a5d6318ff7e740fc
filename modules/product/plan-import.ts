import type { LineError } from '#platform/jobs/jobs';
import type { NewProduct } from './add-products.ts';
import type { CatalogueEntry } from './catalogue-row.ts';
import type { CatalogueRow } from './catalogue-store.ts';
import { differs } from './change-product.ts';
import type { KnownSku, ReadRow } from './import-store.ts';
import type { PriceRow } from './price-store.ts';

/** Parts a batch's rows: those to apply, and what is wrong with the others. The first row of a sku counts. */
export function sortRows(rows: readonly ReadRow[]): { entries: CatalogueEntry[]; errors: LineError[] } {
  const entries: CatalogueEntry[] = [];
  const errors: LineError[] = [];
  for (const { line, content, error, earlierLine } of rows) {
    if (!content) errors.push({ line, message: error ?? 'cannot be read' });
    else if (earlierLine !== null) {
      errors.push({ line, message: `sku ${content.sku} stands on line ${earlierLine} already` });
    } else entries.push(content);
  }
  return { entries, errors };
}

export interface ImportPlan {
  readonly added: readonly NewProduct[];
  /** Known products as the file wants them, by id, of which something differs. */
  readonly changed: ReadonlyMap<string, CatalogueRow>;
  /** Prices of known variants, whether they differ or not. */
  readonly prices: readonly (PriceRow & { readonly product: CatalogueRow })[];
}

/**
 * Decides what a batch of entries changes, given the skus that are known. A product with several variants keeps
 * its name, category and description: a row speaks for one sku, and two rows would contradict each other.
 */
export function planImport(
  entries: readonly CatalogueEntry[],
  known: readonly KnownSku[],
  newId: () => string,
): ImportPlan {
  const bySku = new Map(known.map((sku) => [sku.sku, sku]));
  const added: NewProduct[] = [];
  const changed = new Map<string, CatalogueRow>();
  const prices: (PriceRow & { product: CatalogueRow })[] = [];
  for (const entry of entries) {
    const match = bySku.get(entry.sku);
    if (!match) {
      added.push(newProduct(entry, newId));
      continue;
    }
    const { sku: _, variantId, variants, ...current } = match;
    prices.push({ variantId, amount: entry.amount, currency: entry.currency, product: current });
    const wanted = variants > 1 ? current : described(current, entry);
    if (differs(current, wanted)) changed.set(wanted.id, wanted);
  }
  return { added, changed, prices };
}

function described(current: CatalogueRow, entry: CatalogueEntry): CatalogueRow {
  return {
    ...current,
    name: entry.name,
    category: entry.category === undefined ? current.category : entry.category,
    description: entry.description ?? current.description,
  };
}

function newProduct(entry: CatalogueEntry, newId: () => string): NewProduct {
  const { sku, name, amount, currency, onHand, category = null, description = '' } = entry;
  const variant = { id: newId(), sku, options: {}, prices: [{ amount, currency }], onHand };
  return { id: newId(), slug: undefined, name, category, description, variants: [variant] };
}
