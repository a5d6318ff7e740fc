import { isExecutable } from '../assets.ts';

/** What `process.execPath` must be told to run this program again: its first file, unless it is all in one. */
export const programArgs: readonly string[] = isExecutable ? [] : process.argv.slice(1, 2);
