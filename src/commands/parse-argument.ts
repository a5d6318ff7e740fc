import { InvalidArgumentError } from 'commander';
import { z } from 'zod';

/** A whole number from 1, for commander. */
export function parseCount(text: string): number {
  const count = Number(text);
  if (!Number.isSafeInteger(count) || count < 1)
    throw new InvalidArgumentError('expected a whole number from 1.');
  return count;
}

/** A port; 0 for a free one, for commander. */
export function parsePort(text: string): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535)
    throw new InvalidArgumentError('expected a port, 0 to 65535.');
  return Number(text);
}

/** An id of the shop, for commander. */
export function parseId(text: string): string {
  if (!z.uuid().safeParse(text).success) throw new InvalidArgumentError('expected an id.');
  return text.toLowerCase();
}

/** The root of a shop's public address, for commander. */
export function parseShopUrl(text: string): string {
  if (!/^https?:$/.test(URL.parse(text)?.protocol ?? '')) {
    throw new InvalidArgumentError('expected an http:// or https:// URL.');
  }
  return text;
}

/** ISO 4217, for commander. */
export function parseCurrency(text: string): string {
  if (!/^[A-Z]{3}$/.test(text)) throw new InvalidArgumentError('expected three capital letters, as GBP.');
  return text;
}
