/**
 * A copy that shares nothing with `value`. Members that are undefined are left out, as JSON leaves them out: there a
 * member is absent or it has a value, and `{ ...defaults, ...input }` must not depend on where a module runs. All
 * else is as `structuredClone` has it, which throws for functions.
 */
export function copyValue(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) {
    return typeof value === 'function' || typeof value === 'symbol' ? structuredClone(value) : value;
  }
  if (Array.isArray(value)) return value.map(copyValue);
  if (!isRecord(value)) return structuredClone(value);
  const copy: Record<string, unknown> = {};
  for (const key of Object.keys(value)) {
    const member = (value as Record<string, unknown>)[key];
    // Assigning to `__proto__` would set the prototype; no contract has a member of this name.
    if (member !== undefined && key !== '__proto__') copy[key] = copyValue(member);
  }
  return copy;
}

/** Whether a value is an object with members, and not one of the kinds that JSON has no form for, as a Date. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return Object.prototype.toString.call(value) === '[object Object]';
}
