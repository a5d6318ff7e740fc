import type { Money } from '#platform/money';

/** `{ amount: 129900, currency: 'GBP' }` reads `£1,299.00`. Exact for every amount, as no fraction is computed. */
export function formatMoney({ amount, currency }: Money): string {
  const { format, digits } = currencyFormat(currency);
  const minor = String(amount).padStart(digits + 1, '0');
  const whole = minor.slice(0, minor.length - digits);
  const fraction = minor.slice(minor.length - digits);
  return format.format(`${whole}.${fraction}0` as `${number}`);
}

interface CurrencyFormat {
  readonly format: Intl.NumberFormat;
  /** Of its fraction, as 2 for pence. */
  readonly digits: number;
}

const formats = new Map<string, CurrencyFormat>();

/** Made once for each currency: that takes far longer than to use it. */
function currencyFormat(currency: string): CurrencyFormat {
  const known = formats.get(currency);
  if (known) return known;
  const format = new Intl.NumberFormat('en', { style: 'currency', currency });
  const made = { format, digits: format.resolvedOptions().maximumFractionDigits ?? 2 };
  formats.set(currency, made);
  return made;
}
