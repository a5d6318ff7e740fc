import { z } from 'zod';

/**
 * Text that every store can hold: neither half of a surrogate pair nor U+0000, which JSON can carry and Postgres
 * refuses.
 */
export function plainText(minLength: number, maxLength: number) {
  return z
    .string()
    .min(minLength)
    .max(maxLength)
    .refine((text) => text.isWellFormed() && !text.includes('\0'), 'holds characters that are not text');
}
