import { AppError } from '#platform/errors';

export function productNotFound(): AppError {
  return new AppError('not_found', 'not_found', 'there is no such product');
}

export function variantNotFound(): AppError {
  return new AppError('not_found', 'not_found', 'the product has no such variant');
}

export function slugTaken(slug: string): AppError {
  return new AppError('conflict', 'slug_taken', `another product has the slug ${slug}`);
}

export function skuTaken(skus: readonly string[]): AppError {
  return new AppError('conflict', 'sku_taken', 'a sku belongs to one product only', { extra: { skus } });
}

export function unknownSku(skus: readonly string[]): AppError {
  return new AppError('unprocessable', 'unknown_sku', 'not every sku can be ordered', { extra: { skus } });
}

export interface Shortage {
  readonly sku: string;
  readonly requested: number;
  readonly available: number;
}

export function insufficientStock(items: readonly Shortage[]): AppError {
  return new AppError('conflict', 'insufficient_stock', 'fewer pieces are available than asked for', {
    extra: { items },
  });
}
