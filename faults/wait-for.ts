import { sleep } from '../src/deadline.ts';

const LOOK_MS = 250;

/** Looks until `isSo` resolves with true; rejects when it does not in `boundMs`. */
export async function waitFor(boundMs: number, what: string, isSo: () => Promise<boolean>): Promise<void> {
  const endsAt = performance.now() + boundMs;
  while (!(await isSo())) {
    if (performance.now() > endsAt) throw new Error(`waited ${boundMs} ms in vain for ${what}`);
    await sleep(LOOK_MS);
  }
}
