import { DEFAULT_WAIT_MS, MAX_WAIT_S } from './limits.ts';

/** How a client wants to be answered while the work may take long (RFC 7240). */
export interface Patience {
  readonly waitMs: number;
  /** Whether the client named its wait itself; then it also waits for an answer that comes by webhook. */
  readonly named: boolean;
}

/**
 * Reads a `Prefer` header: `respond-async` waits not at all, `wait=N` N seconds, MAX_WAIT_S at most. A preference
 * that cannot be understood is passed over, as the RFC wants.
 */
export function readPatience(prefer: string | null): Patience {
  const preferences = (prefer ?? '').split(',').map((part) => part.split(';')[0]!.trim().toLowerCase());
  if (preferences.includes('respond-async')) return { waitMs: 0, named: true };
  for (const preference of preferences) {
    const seconds = /^wait\s*=\s*"?(\d{1,6})"?$/.exec(preference)?.[1];
    if (seconds) return { waitMs: Math.min(Number(seconds), MAX_WAIT_S) * 1_000, named: true };
  }
  return { waitMs: DEFAULT_WAIT_MS, named: false };
}
