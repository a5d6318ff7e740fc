import { z } from 'zod';
import { currencySchema } from '#platform/money';
import { skuSchema } from './contract.ts';
import { MAX_ON_HAND } from './limits.ts';
import { categorySchema, descriptionSchema, nameSchema } from './product-bodies.ts';

const REQUIRED_COLUMNS = ['sku', 'name', 'price_minor', 'currency', 'on_hand'] as const;
const OPTIONAL_COLUMNS = ['category', 'description'] as const;
const COLUMNS: readonly string[] = [...REQUIRED_COLUMNS, ...OPTIONAL_COLUMNS];

/** What decoding leaves of bytes that are not UTF-8. */
const REPLACEMENT = '\uFFFD';

const wholeNumber = z
  .string()
  .regex(/^\d{1,16}$/, 'is not a whole number of 0 or more')
  .transform(Number);

const rowSchema = z.object({
  sku: skuSchema,
  name: nameSchema,
  price_minor: wholeNumber.pipe(z.number().max(Number.MAX_SAFE_INTEGER)),
  currency: currencySchema,
  on_hand: wholeNumber.pipe(z.number().max(MAX_ON_HAND)),
  category: z
    .literal('')
    .transform(() => null)
    .or(categorySchema)
    .optional(),
  description: descriptionSchema.optional(),
});

/** One row of a catalogue file. Undefined: the file has no such column, and what is stored stays. */
export interface CatalogueEntry {
  readonly sku: string;
  readonly name: string;
  readonly amount: number;
  readonly currency: string;
  readonly onHand: number;
  readonly category?: string | null;
  readonly description?: string;
}

export type ReadEntry = { readonly entry: CatalogueEntry } | { readonly error: string };

/** What is wrong with a header, undefined when it will do. */
export function headerProblem(header: readonly string[]): string | undefined {
  const missing = REQUIRED_COLUMNS.filter((column) => !header.includes(column));
  if (missing.length > 0) return `the header lacks ${missing.join(', ')}`;
  const repeated = COLUMNS.filter((column) => header.indexOf(column) !== header.lastIndexOf(column));
  if (repeated.length > 0) return `the header names ${repeated.join(', ')} twice`;
  return undefined;
}

/** Reads a record by its header; every problem is told in words that fit the file. */
export function readEntry(header: readonly string[], values: readonly string[]): ReadEntry {
  if (values.length !== header.length) {
    return { error: `has ${values.length} values where the header names ${header.length} columns` };
  }
  if (values.some((value) => value.includes(REPLACEMENT))) return { error: 'is not valid UTF-8' };
  const named = Object.fromEntries(
    header.flatMap((column, index) => (COLUMNS.includes(column) ? [[column, values[index]]] : [])),
  );
  const parsed = rowSchema.safeParse(named);
  if (!parsed.success) {
    return {
      error: parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; '),
    };
  }
  const { price_minor: amount, on_hand: onHand, ...rest } = parsed.data;
  return { entry: { ...rest, amount, onHand } };
}
