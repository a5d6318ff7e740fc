import { setFlagsFromString } from 'node:v8';
import { HEAP_GROWTH_PERCENT } from '../limits.ts';

/** Keeps this process's heap near what lives in it. Not in NODE_OPTIONS, which does not take this one. */
export function boundHeapGrowth(): void {
  setFlagsFromString(`--heap-growing-percent=${HEAP_GROWTH_PERCENT}`);
}
