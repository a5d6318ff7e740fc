import type { RouteSpec } from './route.ts';

const BASE = '/api/v1';

/** The path from the root, in OpenAPI's form. */
export function fullPath(spec: RouteSpec): string {
  return spec.absolute ? spec.path : BASE + spec.path;
}

/** The path from the root, in Hono's form. */
export function toHonoPath(spec: RouteSpec): string {
  return fullPath(spec).replaceAll(/\{(\w+)\}/g, ':$1');
}

/**
 * Routes with a literal before those with a parameter in the same place, as OpenAPI matches them: `/users/me`
 * is not the user whose id is `me`, whatever the order of declaration.
 */
export function inMatchingOrder<T extends { readonly spec: RouteSpec }>(routes: readonly T[]): T[] {
  const rank = ({ spec }: T) => fullPath(spec).replaceAll(/\{\w+\}/g, '\uffff');
  return routes.toSorted((a, b) => (rank(a) < rank(b) ? -1 : rank(a) > rank(b) ? 1 : 0));
}
