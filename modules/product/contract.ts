import { z } from 'zod';
import { currencySchema, moneySchema } from '#platform/money';
import { command, defineContract, query } from '#platform/rpc/contract';
import { plainText } from './plain-text.ts';

/** Lines of one order, after equal skus are added up; bounds every set that is passed along. */
export const MAX_LINES = 2_000;
export const MAX_QUANTITY = 1_000_000;

/** Case-sensitive, unique in the shop. */
export const skuSchema = plainText(1, 64);
export const quantitySchema = z.int().min(1).max(MAX_QUANTITY);

const variantSchema = z
  .object({
    id: z.uuid(),
    sku: skuSchema,
    options: z.record(z.string(), z.string()),
    prices: z.array(moneySchema),
    stock: z.object({ onHand: z.int(), reserved: z.int(), available: z.int() }),
  })
  .meta({ id: 'Variant' });

export const productSchema = z
  .object({
    id: z.uuid(),
    slug: z.string(),
    name: z.string(),
    description: z.string(),
    category: z.string().nullable(),
    status: z.enum(['active', 'archived']),
    variants: z.array(variantSchema),
    createdAt: z.iso.datetime(),
    updatedAt: z.iso.datetime(),
  })
  .meta({ id: 'Product' });

export type Product = z.output<typeof productSchema>;

const orderKey = z.object({ orderId: z.uuid() });

export const productContract = defineContract('product', {
  consumes: ['order.paid.v1'],
  calls: {
    /**
     * Names and current prices of active skus in one currency, a line per sku in the order asked.
     * `unknown_sku` and `no_price` (both unprocessable) carry `skus`.
     */
    quote: query({
      input: z.object({ skus: z.array(skuSchema).min(1).max(MAX_LINES), currency: currencySchema }),
      output: z.object({
        lines: z.array(z.object({ sku: skuSchema, name: z.string(), unitPrice: moneySchema })),
      }),
      errors: ['unknown_sku', 'no_price'],
    }),
    /**
     * Reserves all lines or none, once per order. A pinned reservation stays until it is released or sold; any
     * other expires after `expiresInMs`. `insufficient_stock` (conflict) carries `items`, the lines that are
     * short, as `{sku, requested, available}`; `unknown_sku` (unprocessable) carries `skus`. Both leave nothing
     * behind, so asking again tries anew. `reservation_closed` (conflict): the order's reservation was released
     * or expired before.
     */
    reserve: command({
      key: 'orderId',
      input: z.object({
        orderId: z.uuid(),
        lines: z
          .array(z.object({ sku: skuSchema, quantity: quantitySchema }))
          .min(1)
          .max(MAX_LINES),
        pinned: z.boolean(),
        expiresInMs: z.int().positive(),
      }),
      output: z.object({}),
      errors: ['insufficient_stock', 'reservation_closed', 'unknown_sku'],
    }),
    /**
     * Keeps an open reservation from expiring, before a charge; a sold one needs no pin. `by` names the payment that
     * it is pinned for. `reservation_closed` (conflict): there is none, or it is too late.
     */
    pin: command({
      key: 'orderId',
      input: orderKey.extend({ by: z.uuid() }),
      output: z.object({}),
      errors: ['reservation_closed'],
    }),
    /**
     * Lets an open reservation expire again, `expiresInMs` from now. Nothing happens to a closed one, nor to one that
     * another payment than `by` has pinned since.
     */
    unpin: command({
      key: 'orderId',
      input: orderKey.extend({ by: z.uuid(), expiresInMs: z.int().positive() }),
      output: z.object({}),
      errors: [],
    }),
    /**
     * Gives the order's stock back exactly once: an open reservation is released, a sold one is returned to the
     * shelf. For an order never seen it leaves a mark that refuses a late `reserve`.
     */
    release: command({ key: 'orderId', input: orderKey, output: z.object({}), errors: [] }),
    /** The products that hold these skus, archived ones included; unknown skus are left out. */
    productsBySku: query({
      input: z.object({ skus: z.array(skuSchema).max(MAX_LINES) }),
      output: z.object({ products: z.array(productSchema) }),
      errors: [],
    }),
  },
});
