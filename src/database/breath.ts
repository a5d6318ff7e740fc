import { setImmediate } from 'node:timers/promises';
import { EMBEDDED_BREATH_MS } from '../limits.ts';

/**
 * Lets sockets and timers have the thread when they had to wait longer than EMBEDDED_BREATH_MS. PGlite computes on
 * it and answers without ever giving it back, so that a long row of transactions, as a large import is, would
 * otherwise keep the whole process from answering until the last of them.
 */
export function createBreath(): () => Promise<void> {
  let last = performance.now();
  return async () => {
    if (performance.now() - last < EMBEDDED_BREATH_MS) return;
    await setImmediate();
    last = performance.now();
  };
}
