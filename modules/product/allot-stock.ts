import type { AppError } from '#platform/errors';
import { insufficientStock, unknownSku } from './problems.ts';
import type { Shelf } from './stock-store.ts';

/** Pieces of one variant that an order gets, and how many are available after it. */
export interface AllottedLine {
  readonly variantId: string;
  readonly productId: string;
  readonly quantity: number;
  readonly left: number;
}

/** What an order gets: all it asked for, or nothing and why. */
export type Allotment =
  | { readonly lines: readonly AllottedLine[]; readonly refusal?: undefined }
  | { readonly lines?: undefined; readonly refusal: AppError };

/**
 * Shares what is on the shelves out to orders, first come first served: each gets all its lines or none of them, and
 * sees what those before it have left. Lines of the same sku are added up. Refusals: `unknown_sku` for skus without a
 * shelf, `insufficient_stock` with what the order found.
 */
export function allotStock(
  orders: readonly (readonly { readonly sku: string; readonly quantity: number }[])[],
  shelves: readonly Shelf[],
): Allotment[] {
  const shelfOf = new Map(shelves.map((shelf) => [shelf.sku, shelf]));
  const available = new Map(shelves.map((shelf) => [shelf.sku, shelf.available]));
  return orders.map((lines) => {
    const asked = addUp(lines);
    const unknown = [...asked.keys()].filter((sku) => !shelfOf.has(sku));
    if (unknown.length > 0) return { refusal: unknownSku(unknown) };
    const short = [...asked].filter(([sku, quantity]) => available.get(sku)! < quantity);
    if (short.length > 0) {
      return {
        refusal: insufficientStock(
          short.map(([sku, requested]) => ({ sku, requested, available: available.get(sku)! })),
        ),
      };
    }
    return {
      lines: [...asked].map(([sku, quantity]) => {
        const { variantId, productId } = shelfOf.get(sku)!;
        const left = available.get(sku)! - quantity;
        available.set(sku, left);
        return { variantId, productId, quantity, left };
      }),
    };
  });
}

function addUp(lines: readonly { readonly sku: string; readonly quantity: number }[]): Map<string, number> {
  const sums = new Map<string, number>();
  for (const { sku, quantity } of lines) sums.set(sku, (sums.get(sku) ?? 0) + quantity);
  return sums;
}
