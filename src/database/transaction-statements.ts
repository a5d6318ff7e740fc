import { invariant } from '../errors.ts';
import { isTransactionAborted } from './postgres-errors.ts';
import type { RunStatement } from './statement.ts';

/** What is sent within one transaction, on whichever engine. */
export interface TransactionStatements {
  readonly run: RunStatement;
  /** From now on they are refused: they would run in the session's next transaction. */
  close(): void;
  /** Postgres answers the commit of a failed transaction with a rollback, and no error: this rejects with what failed. */
  requireCommit(command: string): Promise<void>;
  /** The failure behind this one: once a statement has failed, Postgres refuses all that come after it. */
  causeOf(error: unknown): unknown;
}

/** Keeps account of what runs on `session`, whether anybody waits for it or not. */
export function openStatements(session: RunStatement): TransactionStatements {
  const underWay = new Set<Promise<unknown>>();
  let isOpen = true;
  let failure: unknown;

  async function run<Row>(...statement: Parameters<RunStatement>) {
    invariant(isOpen, 'a statement runs before its transaction has ended');
    const result = session<Row>(...statement);
    underWay.add(result);
    try {
      return await result;
    } catch (error) {
      failure ??= error;
      throw error;
    } finally {
      underWay.delete(result);
    }
  }

  return {
    run,
    close() {
      isOpen = false;
    },
    async requireCommit(command) {
      if (command === 'COMMIT') return;
      // They were answered before the commit, but their promises may be a little behind.
      await Promise.allSettled(underWay);
      throw failure ?? new Error(`a transaction ended with ${command}`);
    },
    causeOf: (error) => (isTransactionAborted(error) ? (failure ?? error) : error),
  };
}
