import { SLUG_LENGTH } from './limits.ts';

/** Room for a hyphen and the longest sku; an id is shorter. */
const SUFFIX_LENGTH = 65;

export const SLUG_PATTERN = /^[a-z0-9]+(-[a-z0-9]+)*$/;

/** The part of a URL that stands for `text`: lower-case ASCII words joined by hyphens; empty when none is left. */
export function slugify(text: string): string {
  return text
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '');
}

/** What a product that was given no slug may be called, best first. The last one holds its id and is unique. */
export function slugCandidates(product: { id: string; name: string; sku: string }): string[] {
  const base = shorten(slugify(product.name), SLUG_LENGTH - SUFFIX_LENGTH) || 'product';
  const sku = slugify(product.sku);
  const candidates = [base, `${base}-${product.id}`];
  if (sku !== '') candidates.splice(1, 0, `${base}-${sku}`);
  return candidates;
}

function shorten(slug: string, length: number): string {
  return slug.slice(0, length).replace(/-+$/, '');
}

/**
 * Gives each product the first of its candidates that is neither `taken` nor given to one before it. Pure, so
 * that one look into the store serves a whole batch.
 */
export function assignSlugs(
  products: readonly { readonly id: string; readonly candidates: readonly string[] }[],
  taken: ReadonlySet<string>,
): Map<string, string> {
  const used = new Set(taken);
  const assigned = new Map<string, string>();
  for (const { id, candidates } of products) {
    const slug = candidates.find((candidate) => !used.has(candidate)) ?? candidates.at(-1)!;
    used.add(slug);
    assigned.set(id, slug);
  }
  return assigned;
}
