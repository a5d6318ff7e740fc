import type { Suite } from './suite.ts';
import { readSuite } from './suites/read.ts';

/** In the order in which they run. */
export const suites: readonly Suite[] = [readSuite];
