import { z } from 'zod';
import { pageOf, pageQuery } from '#platform/http/cursor';
import { defineRoutes } from '#platform/http/route';
import { IMPORT_BYTES } from '#platform/limits';
import { amountSchema, currencySchema, moneySchema } from '#platform/money';
import { productSchema, skuSchema } from './contract.ts';
import { CATEGORY_LENGTH, LIST_FILTER_VALUES, MAX_DELTA, REASON_LENGTH, SEARCH_LENGTH } from './limits.ts';
import { plainText } from './plain-text.ts';
import { newProductBody, productChangeBody } from './product-bodies.ts';

const productParams = z.object({ id: z.uuid() });
const variantParams = productParams.extend({ sku: skuSchema });

const sorts = ['createdAt', '-createdAt', 'name', '-name', 'price', '-price'] as const;

export const productListQuery = z
  .object({
    ...pageQuery,
    q: plainText(1, SEARCH_LENGTH).optional().meta({
      description: 'Words that name or description hold, all of them; the last may be a beginning.',
    }),
    category: plainText(1, CATEGORY_LENGTH).optional(),
    sku: z.array(skuSchema).max(LIST_FILTER_VALUES).optional(),
    ids: z
      .array(z.string().meta({ format: 'uuid' }))
      .transform((lists) => lists.flatMap((list) => list.split(',')))
      .pipe(z.array(z.uuid()).max(LIST_FILTER_VALUES))
      .optional()
      .meta({ description: 'Given several times, or once with commas between.' }),
    currency: currencySchema.optional().meta({ description: 'Only products with a price in it.' }),
    minPrice: z.coerce
      .number()
      .int()
      .min(0)
      .optional()
      .meta({ description: 'Of the lowest price among the variants, in minor units of `currency`.' }),
    maxPrice: z.coerce
      .number()
      .int()
      .min(0)
      .optional()
      .meta({ description: 'Of the lowest price among the variants, in minor units of `currency`.' }),
    inStock: z
      .enum(['true', 'false'])
      .transform((value) => value === 'true')
      .optional(),
    sort: z.enum(sorts).default('-createdAt').meta({
      description: '`price` is the lowest among the variants, in `currency`; names sort by code point.',
    }),
  })
  .refine(
    (query) =>
      query.currency !== undefined ||
      (query.minPrice === undefined && query.maxPrice === undefined && !query.sort.endsWith('price')),
    { path: ['currency'], message: 'is needed to compare prices' },
  );

const stockEntrySchema = z
  .object({
    id: z.uuid(),
    sku: skuSchema,
    delta: z.int(),
    reason: z.string(),
    orderId: z.uuid().nullable(),
    onHand: z.int(),
    at: z.iso.datetime(),
  })
  .meta({
    id: 'StockEntry',
    description: 'One change of the pieces on hand, and how many there were after it.',
  });

const priceEntrySchema = moneySchema.extend({ at: z.iso.datetime() }).meta({ id: 'PriceEntry' });

const jobSchema = z
  .object({
    id: z.uuid(),
    kind: z.string(),
    state: z.enum(['queued', 'running', 'done', 'failed']),
    done: z.int(),
    total: z.int(),
    errors: z.array(z.object({ line: z.int(), message: z.string() })),
  })
  .meta({ id: 'Job' });

const taken = {
  slug_taken: { status: 409, description: 'Another product has this slug.' },
  sku_taken: { status: 409, description: 'Another product has a variant with one of these skus (`skus`).' },
};

export const productRoutes = defineRoutes({
  listProducts: {
    method: 'get',
    path: '/products',
    access: 'anyone',
    summary: 'List active products',
    query: productListQuery,
    answers: { 200: { description: 'A page of products', schema: pageOf(productSchema) } },
  },
  createProduct: {
    method: 'post',
    path: '/products',
    access: 'staff',
    summary: 'Create a product with its variants',
    description: 'Without a slug one is made from the name.',
    body: newProductBody,
    answers: { 201: { description: 'The product', schema: productSchema } },
    problems: taken,
  },
  importProducts: {
    method: 'post',
    path: '/products/import',
    access: 'staff',
    summary: 'Import a catalogue file',
    description:
      'CSV with a header: `sku,name,price_minor,currency,on_hand[,category,description]` in any order; other columns are ignored. A new sku becomes a product; a known one gets its price, and its product, if it has no other variant, name, category and description. `on_hand` counts only for new skus. Rows that fail are reported by line in the job. Importing the same file twice changes nothing.',
    rawBody: { as: 'stream', contentType: 'text/csv', maxBytes: IMPORT_BYTES },
    // The answer is a 202, which is never stored; a repeat is harmless, since the same file changes nothing.
    idempotency: 'ignored',
    answers: { 202: { description: 'The job that applies the file', schema: jobSchema } },
  },
  readProduct: {
    method: 'get',
    path: '/products/{id}',
    access: 'anyone',
    summary: 'Read a product, archived ones too',
    params: productParams,
    answers: { 200: { description: 'The product', schema: productSchema } },
  },
  changeProduct: {
    method: 'patch',
    path: '/products/{id}',
    access: 'staff',
    summary: 'Change a product, or add and change variants by sku',
    params: productParams,
    body: productChangeBody,
    answers: { 200: { description: 'The product', schema: productSchema } },
    problems: taken,
  },
  archiveProduct: {
    method: 'delete',
    path: '/products/{id}',
    access: 'staff',
    summary: 'Archive a product',
    description:
      'Orders keep it; it is listed and ordered no more. `PATCH` with `status: "active"` brings it back.',
    params: productParams,
    answers: { 204: { description: 'Archived' } },
  },
  setPrice: {
    method: 'put',
    path: '/products/{id}/variants/{sku}/prices/{currency}',
    access: 'staff',
    summary: 'Set a variant’s price in one currency',
    params: variantParams.extend({ currency: currencySchema }),
    body: z.strictObject({ amount: amountSchema }),
    answers: { 200: { description: 'The price', schema: moneySchema } },
  },
  listPrices: {
    method: 'get',
    path: '/products/{id}/variants/{sku}/prices',
    access: 'staff',
    summary: 'A variant’s price history in all currencies, newest first',
    params: variantParams,
    query: z.object(pageQuery),
    answers: { 200: { description: 'A page of prices', schema: pageOf(priceEntrySchema) } },
  },
  adjustStock: {
    method: 'post',
    path: '/products/{id}/variants/{sku}/stock',
    access: 'staff',
    summary: 'Add pieces to the stock, or take some away',
    params: variantParams,
    body: z.strictObject({
      delta: z
        .int()
        .min(-MAX_DELTA)
        .max(MAX_DELTA)
        .refine((delta) => delta !== 0, 'is zero'),
      reason: plainText(1, REASON_LENGTH),
    }),
    answers: { 201: { description: 'The ledger entry', schema: stockEntrySchema } },
    problems: {
      insufficient_stock: {
        status: 409,
        description: 'Fewer pieces are available than this would take away (`items`).',
      },
    },
  },
  listStockEntries: {
    method: 'get',
    path: '/products/{id}/variants/{sku}/stock',
    access: 'staff',
    summary: 'A variant’s stock ledger, newest first',
    params: variantParams,
    query: z.object(pageQuery),
    answers: { 200: { description: 'A page of ledger entries', schema: pageOf(stockEntrySchema) } },
  },
  readJob: {
    method: 'get',
    path: '/jobs/{id}',
    access: 'staff',
    summary: 'How far a background job is',
    params: z.object({ id: z.uuid() }),
    answers: { 200: { description: 'The job', schema: jobSchema } },
  },
});
