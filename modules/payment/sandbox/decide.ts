import type { ChargeState } from '../provider.ts';

/** What the sandbox makes of a new charge; `erring` answers with errors first, `silent` never answers. */
export interface Decision {
  readonly state: ChargeState['state'] | 'erring';
  readonly reason: string | null;
  readonly silent: boolean;
}

const decisions: ReadonlyMap<string, Decision> = new Map([
  ['tok_ok', { state: 'captured', reason: null, silent: false }],
  ['tok_declined', { state: 'declined', reason: 'card_declined', silent: false }],
  ['tok_timeout', { state: 'captured', reason: null, silent: true }],
  ['tok_later', { state: 'authorized', reason: null, silent: false }],
  ['tok_flaky', { state: 'erring', reason: null, silent: false }],
]);

/** The sandbox acts by token; one it does not know is declined with `invalid_token`. */
export function decide(token: string): Decision {
  return decisions.get(token) ?? { state: 'declined', reason: 'invalid_token', silent: false };
}
