import {
  CONNECT_TIMEOUT_MS,
  POOL_CLOSE_MS,
  POOL_WAIT_MS,
  QUERY_DEADLINE_MS,
  ROLLBACK_DEADLINE_MS,
  TRANSACTION_DEADLINE_MS,
} from '../limits.ts';

/** How long each thing may take before we give it up ourselves, in ms. Tests shorten them. */
export interface Deadlines {
  /** Dialling, and the greeting after it. */
  readonly connectMs: number;
  readonly queryMs: number;
  readonly transactionMs: number;
  readonly rollbackMs: number;
  /** Waiting for a connection. */
  readonly waitMs: number;
  /** Waiting for those who use connections when the pool closes. */
  readonly closeMs: number;
}

export const DEADLINES: Deadlines = {
  connectMs: CONNECT_TIMEOUT_MS,
  queryMs: QUERY_DEADLINE_MS,
  transactionMs: TRANSACTION_DEADLINE_MS,
  rollbackMs: ROLLBACK_DEADLINE_MS,
  waitMs: POOL_WAIT_MS,
  closeMs: POOL_CLOSE_MS,
};
