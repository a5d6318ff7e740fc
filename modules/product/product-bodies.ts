import { z } from 'zod';
import { moneySchema } from '#platform/money';
import { skuSchema } from './contract.ts';
import {
  CATEGORY_LENGTH,
  DESCRIPTION_LENGTH,
  MAX_ON_HAND,
  NAME_LENGTH,
  OPTION_LENGTH,
  OPTIONS_PER_VARIANT,
  PRICES_PER_VARIANT,
  SLUG_LENGTH,
  VARIANTS_PER_PRODUCT,
} from './limits.ts';
import { plainText } from './plain-text.ts';
import { SLUG_PATTERN } from './slug.ts';

export const nameSchema = plainText(1, NAME_LENGTH).refine((name) => name.trim() !== '', 'is blank');
export const descriptionSchema = plainText(0, DESCRIPTION_LENGTH);
export const categorySchema = plainText(1, CATEGORY_LENGTH);
const onHandSchema = z.int().min(0).max(MAX_ON_HAND);
const slugSchema = z.string().max(SLUG_LENGTH).regex(SLUG_PATTERN);

const optionsSchema = z
  .record(plainText(1, OPTION_LENGTH), plainText(1, OPTION_LENGTH))
  .refine(
    (options) => Object.keys(options).length <= OPTIONS_PER_VARIANT,
    `has more than ${OPTIONS_PER_VARIANT} options`,
  );

const pricesSchema = z
  .array(moneySchema)
  .max(PRICES_PER_VARIANT)
  .refine((prices) => allDiffer(prices.map((price) => price.currency)), 'names a currency twice');

function allDiffer(values: readonly string[]): boolean {
  return new Set(values).size === values.length;
}

function skusDiffer(variants: readonly { sku: string }[]): boolean {
  return allDiffer(variants.map((variant) => variant.sku));
}

export const newProductBody = z
  .strictObject({
    name: nameSchema,
    slug: slugSchema.optional(),
    description: descriptionSchema.default(''),
    category: categorySchema.nullable().default(null),
    variants: z
      .array(
        z.strictObject({
          sku: skuSchema,
          options: optionsSchema.default({}),
          prices: pricesSchema,
          onHand: onHandSchema.default(0),
        }),
      )
      .min(1)
      .max(VARIANTS_PER_PRODUCT)
      .refine(skusDiffer, 'names a sku twice'),
  })
  .meta({ id: 'NewProduct' });

export type NewProductBody = z.output<typeof newProductBody>;

export const productChangeBody = z
  .strictObject({
    name: nameSchema.optional(),
    slug: slugSchema.optional(),
    description: descriptionSchema.optional(),
    category: categorySchema.nullable().optional(),
    status: z.enum(['active', 'archived']).optional(),
    variants: z
      .array(
        z.strictObject({
          sku: skuSchema,
          options: optionsSchema.optional(),
          prices: pricesSchema.optional(),
          onHand: onHandSchema.optional(),
        }),
      )
      .max(VARIANTS_PER_PRODUCT)
      .refine(skusDiffer, 'names a sku twice')
      .optional(),
  })
  .meta({
    id: 'ProductChange',
    description:
      'A variant with a known sku is changed: options replace, prices are set per currency. A new sku is added; only there `onHand` may be given.',
  });

export type ProductChangeBody = z.output<typeof productChangeBody>;
