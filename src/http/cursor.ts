import { z } from 'zod';

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
