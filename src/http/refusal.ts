import { AppError } from '../errors.ts';

/** Failures that say nothing of the request, only that it came at the wrong time, as metrics name them. */
const REASONS = {
  overloaded: 'overload',
  rate_limited: 'rate_limit',
  database_busy: 'database_busy',
  database_unavailable: 'database_away',
  peer_unavailable: 'peer_away',
  timeout: 'timeout',
} as const;

export type Refusal = (typeof REASONS)[keyof typeof REASONS];

export const refusals: readonly Refusal[] = Object.values(REASONS);

/** Why a request was turned away that could be good at another time; undefined when it failed by itself. */
export function refusalOf(error: unknown): Refusal | undefined {
  if (!(error instanceof AppError)) return undefined;
  return Object.hasOwn(REASONS, error.code) ? REASONS[error.code as keyof typeof REASONS] : undefined;
}
