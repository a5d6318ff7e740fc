import type { Money } from '#platform/money';

/** `{ amount: 129900, currency: 'GBP' }` reads `£1,299.00`. Exact for every amount, as no fraction is computed. */
export function formatMoney({ amount, currency }: Money): string {
  const format = formatOf(currency);
  const digits = format.resolvedOptions().maximumFractionDigits ?? 2;
  const minor = String(amount).padStart(digits + 1, '0');
  const whole = minor.slice(0, minor.length - digits);
  const fraction = minor.slice(minor.length - digits);
  return format.format(`${whole}.${fraction}0` as `${number}`);
}

/** Made once for each currency: that takes a hundred times as long as to use it. */
function formatOf(currency: string): Intl.NumberFormat {
  const known = formats.get(currency);
  if (known) return known;
  const format = new Intl.NumberFormat('en', { style: 'currency', currency });
  formats.set(currency, format);
  return format;
}

const formats = new Map<string, Intl.NumberFormat>();
