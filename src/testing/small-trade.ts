import type { TradeOrder } from '../commands/trade-file.ts';

/** A catalogue as `banyan import` takes it; enough stock for every order below several times over. */
export const smallCatalogue = [
  'sku,name,price_minor,currency,on_hand',
  '85123A,"HOLDER, ""WHITE"" HEART",255,GBP,100000',
  'm,Small m,1,GBP,100000',
  'M,Large M,1999,GBP,100000',
  'PADS,Given away,0,GBP,100000',
  '',
].join('\n');

const pricesMinor: Readonly<Record<string, number>> = { '85123A': 255, m: 1, M: 1999, PADS: 0 };

/** `count` orders of four customers, one of them unknown; the same ones every time. */
export function smallTrade(count: number): TradeOrder[] {
  const skus = Object.keys(pricesMinor);
  return Array.from({ length: count }, (_, index) => ({
    invoice: `INV-${index + 1}`,
    customer: ['', '17850', '13047', '12583'][index % 4] ?? '',
    items: skus
      .slice(0, 1 + (index % skus.length))
      .map((sku, at) => ({ sku, quantity: 1 + ((index + at) % 7) })),
  }));
}

/** What all of them cost, in minor units. */
export function costOf(orders: readonly TradeOrder[]): number {
  const lines = orders.flatMap((order) => order.items);
  return lines.reduce((total, { sku, quantity }) => total + quantity * (pricesMinor[sku] ?? Number.NaN), 0);
}
