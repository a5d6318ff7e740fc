import { withDeadline } from '../deadline.ts';
import { invariant } from '../errors.ts';
import { failpoint } from '../failpoint.ts';
import type { PostgresConnection } from './postgres-connection.ts';
import type { Deadlines } from './postgres-deadlines.ts';
import { databaseUnavailable, isTransactionAborted } from './postgres-errors.ts';
import type { RunStatement } from './statement.ts';

/**
 * Commits what `work` did when it resolves. When it rejects, rolls back and rejects with its error, whatever
 * becomes of the rollback; a session that is in doubt is cut off, which rolls back as well. What `work` left
 * running behind its back is refused from then on, or it would run in the session's next transaction.
 *
 * Statements that `work` does not wait for one by one travel together, and Postgres does them in their order. When one
 * fails Postgres refuses those behind it; the failure is that one's, even where `work` first hears of another's.
 */
export async function transact<T>(
  connection: PostgresConnection,
  deadlines: Deadlines,
  work: (query: RunStatement) => Promise<T>,
): Promise<T> {
  let isOpen = true;
  let failure: unknown;
  const query: RunStatement = async (...statement) => {
    invariant(isOpen, 'a statement runs before its transaction has ended');
    try {
      return await connection.query(...statement);
    } catch (error) {
      failure ??= error;
      throw error;
    }
  };
  const begun = begin(connection, deadlines);
  if (!connection.isGuarded) await begun;
  // Whoever needs it asks below; when it fails before, so do the statements.
  begun.catch(() => undefined);
  try {
    const result = await withDeadline(work(query), deadlines.transactionMs, 'a transaction');
    isOpen = false;
    await begun;
    failpoint('before-commit');
    // Postgres answers the commit of a failed transaction with a rollback, and no error.
    const command = await connection.exec('commit', deadlines.queryMs);
    invariant(command === 'COMMIT', 'work whose statement failed does not end as if it had not');
    failpoint('after-commit');
    return result;
  } catch (error) {
    isOpen = false;
    await connection.exec('rollback', deadlines.rollbackMs).catch(() => connection.destroy());
    throw isTransactionAborted(error) ? (failure ?? error) : error;
  }
}

/**
 * Begins a transaction on a session that is free. When that fails, whether the session is in one is unknown, and what
 * was sent behind it must not count: the session is cut off.
 */
async function begin(connection: PostgresConnection, deadlines: Deadlines): Promise<void> {
  try {
    const guarded = connection.isGuarded ? undefined : connection.setGuarded(true);
    await Promise.all([guarded, connection.exec('begin read write', deadlines.queryMs)]);
  } catch (error) {
    const failure = databaseUnavailable(error);
    connection.destroy(failure);
    throw failure;
  }
}
