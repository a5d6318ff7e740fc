import { MAX_QUANTITY } from '#modules/product/contract';
import { invalidRequest } from '#platform/http/problem';
import { type Money, multiply, sum } from '#platform/money';
import type { OrderItem } from './order.ts';

/** What a customer asks for. */
export interface WantedLine {
  readonly sku: string;
  readonly quantity: number;
}

/**
 * Equal skus as one line, where the first stood. Fails with `invalid_request` (invalid) when a line's quantities
 * add up to more than MAX_QUANTITY.
 */
export function addUpLines(wanted: readonly WantedLine[]): WantedLine[] {
  const quantities = new Map<string, number>();
  for (const [index, { sku, quantity }] of wanted.entries()) {
    const together = (quantities.get(sku) ?? 0) + quantity;
    if (together > MAX_QUANTITY) {
      const message = `the quantities of ${sku} add up to more than ${MAX_QUANTITY}`;
      throw invalidRequest([{ path: `items.${index}.quantity`, message }]);
    }
    quantities.set(sku, together);
  }
  return [...quantities].map(([sku, quantity]) => ({ sku, quantity }));
}

/**
 * The snapshot an order keeps: each line with its name and price of now, and their sum. `quoted` stands in the
 * order of `lines`. Fails with `amount_out_of_range` (unprocessable) past 2^53 - 1 minor units.
 */
export function priceLines(
  lines: readonly WantedLine[],
  quoted: readonly { readonly name: string; readonly unitPrice: Money }[],
  currency: string,
): { items: OrderItem[]; total: Money } {
  const items = lines.map(({ sku, quantity }, index) => {
    const { name, unitPrice } = quoted[index]!;
    return { sku, name, quantity, unitPrice, lineTotal: multiply(unitPrice, quantity) };
  });
  return {
    items,
    total: sum(
      items.map((item) => item.lineTotal),
      currency,
    ),
  };
}
