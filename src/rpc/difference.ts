import { isRecord } from './copy.ts';

/**
 * The path of the first place where two values differ, as `$.items[3].price`; undefined where there is none. A member
 * that is undefined counts as absent. Whatever is neither a list, nor an object with members, nor a value that JSON
 * has (a Date, a Map, a BigInt) differs from all but itself, and so do 0 and -0.
 */
export function firstDifference(one: unknown, other: unknown, path = '$'): string | undefined {
  if (Object.is(one, other)) return undefined;
  if (Array.isArray(one) && Array.isArray(other)) {
    if (one.length !== other.length) return `${path}.length`;
    return firstOf(one.keys(), (index) => firstDifference(one[index], other[index], `${path}[${index}]`));
  }
  if (isRecord(one) && isRecord(other)) {
    const keys = new Set([...Object.keys(one), ...Object.keys(other)]);
    return firstOf(keys, (key) => firstDifference(one[key], other[key], `${path}.${key}`));
  }
  return path;
}

function firstOf<T>(items: Iterable<T>, look: (item: T) => string | undefined): string | undefined {
  for (const item of items) {
    const found = look(item);
    if (found !== undefined) return found;
  }
  return undefined;
}
