import type { Database } from '#platform/database/database';
import { AppError } from '#platform/errors';
import { type Money, money } from '#platform/money';
import { quoteLines } from './catalogue-store.ts';
import { unknownSku } from './problems.ts';

/**
 * Names and current prices of active skus, in the order asked. `unknown_sku`, `no_price` (unprocessable), both
 * with the `skus` concerned, each once.
 */
export async function quote(
  database: Database,
  skus: readonly string[],
  currency: string,
): Promise<{ sku: string; name: string; unitPrice: Money }[]> {
  const lines = await quoteLines(database, skus, currency);
  const unknown = lines.filter((line) => line.name === null);
  if (unknown.length > 0) throw unknownSku(distinct(unknown));
  const unpriced = lines.filter((line) => line.amount === null);
  if (unpriced.length > 0) {
    throw new AppError('unprocessable', 'no_price', `not every sku has a price in ${currency}`, {
      extra: { skus: distinct(unpriced) },
    });
  }
  return lines.map((line) => ({
    sku: line.sku,
    name: line.name!,
    unitPrice: money(line.amount!, currency),
  }));
}

function distinct(lines: readonly { sku: string }[]): string[] {
  return [...new Set(lines.map((line) => line.sku))];
}
