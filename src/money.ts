import { z } from 'zod';
import { AppError, invariant } from './errors.ts';

const currencies = new Set(Intl.supportedValuesOf('currency'));

/** ISO 4217, upper case. */
export const currencySchema = z
  .string()
  .regex(/^[A-Z]{3}$/)
  .refine((code) => currencies.has(code), 'not an ISO 4217 currency');

/** Integer minor units. JSON numbers are exact up to 2^53 - 1, and so are ours. */
export const amountSchema = z.int().min(0);

export const moneySchema = z
  .strictObject({ amount: amountSchema, currency: currencySchema })
  .meta({ id: 'Money', description: 'Integer minor units of an ISO 4217 currency.' });

export type Money = z.output<typeof moneySchema>;

export function money(amount: number, currency: string): Money {
  invariant(Number.isSafeInteger(amount), `amount ${amount} is a whole number of minor units`);
  return { amount, currency };
}

/**
 * `unit` times `quantity`, exactly: whole minor units times whole pieces need no rounding.
 * Fails with `amount_out_of_range` (unprocessable) past 2^53 - 1.
 */
export function multiply(unit: Money, quantity: number): Money {
  return { amount: exact(BigInt(unit.amount) * BigInt(quantity)), currency: unit.currency };
}

/** The sum of `parts`, all in `currency`. Fails with `amount_out_of_range` past 2^53 - 1. */
export function sum(parts: readonly Money[], currency: string): Money {
  let total = 0n;
  for (const part of parts) {
    invariant(part.currency === currency, `currencies never mix: ${part.currency} and ${currency}`);
    total += BigInt(part.amount);
  }
  return { amount: exact(total), currency };
}

function exact(amount: bigint): number {
  if (amount > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new AppError(
      'unprocessable',
      'amount_out_of_range',
      'the amount is larger than this shop can count',
    );
  }
  return Number(amount);
}
