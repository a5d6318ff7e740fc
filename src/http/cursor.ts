import { createHmac, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { AppError } from '../errors.ts';

/** The query members that every list has. A limit past 100 is coerced to 100. */
export const pageQuery = {
  limit: z.coerce
    .number()
    .int()
    .min(1)
    .default(20)
    .transform((limit) => Math.min(limit, 100)),
  cursor: z.string().max(1000).optional(),
};

/** Seals and opens the cursors of one module; see `createCursors`. */
export interface Cursors {
  /** `position` is the sort key of the last row shown; `list` names the list and its filters. */
  seal(list: string, position: readonly (string | number | boolean | null)[]): string;
  /** Fails with `invalid_cursor` (400) when it was not sealed here, or for another list. */
  open(list: string, cursor: string): (string | number | boolean | null)[];
}

/** The answer of a list. */
export function pageOf<Item extends z.ZodType>(item: Item) {
  return z.object({ data: z.array(item), nextCursor: z.string().nullable() });
}

/**
 * Cursors are the sort key in the clear with a seal (HMAC-SHA256) over it and the list's name: clients could read
 * one, but not make one, and one of another list or other filters does not open.
 */
export function createCursors(secret: string): Cursors {
  const sealed = (list: string, text: string) => {
    const seal = createHmac('sha256', secret).update(JSON.stringify([list, text]));
    return `${text}.${seal.digest('base64url')}`;
  };
  return {
    seal(list, position) {
      return sealed(list, Buffer.from(JSON.stringify(position)).toString('base64url'));
    },
    open(list, cursor) {
      const [text = ''] = cursor.split('.');
      // Compared as text: decoding would pass over letters that do not belong to it.
      const given = Buffer.from(cursor);
      const expected = Buffer.from(sealed(list, text));
      if (given.length === expected.length && timingSafeEqual(given, expected)) {
        return JSON.parse(Buffer.from(text, 'base64url').toString());
      }
      throw new AppError('invalid', 'invalid_cursor', 'the cursor was not made for this list', {
        extra: { errors: [{ path: 'cursor', message: 'was not made for this list' }] },
      });
    },
  };
}
