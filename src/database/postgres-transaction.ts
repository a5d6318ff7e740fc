import { withDeadline } from '../deadline.ts';
import { failpoint } from '../failpoint.ts';
import type { PostgresConnection } from './postgres-connection.ts';
import type { Deadlines } from './postgres-deadlines.ts';
import { databaseUnavailable } from './postgres-errors.ts';
import type { RunStatement } from './statement.ts';
import { openStatements } from './transaction-statements.ts';

/**
 * Commits what `work` did when it resolves. When it rejects, rolls back and rejects with its error, whatever
 * becomes of the rollback; a session that is in doubt is cut off, which rolls back as well. What `work` left
 * running behind its back is refused from then on, or it would run in the session's next transaction.
 *
 * What is sent without waiting in between travels together, from the begin to the commit, and Postgres does it in this
 * order. After a statement that fails it does nothing more, and the transaction fails with that statement's error.
 */
export async function transact<T>(
  connection: PostgresConnection,
  deadlines: Deadlines,
  work: (query: RunStatement) => Promise<T>,
): Promise<T> {
  const statements = openStatements(connection.query);
  const begun = begin(connection, deadlines);
  if (!connection.isGuarded) await begun;
  // Looked at with the commit; when it fails before, so do the statements.
  begun.catch(() => undefined);
  try {
    const result = await withDeadline(work(statements.run), deadlines.transactionMs, 'a transaction');
    statements.close();
    failpoint('before-commit');
    // Without a begin there was nothing to commit, whatever the commit says.
    const [command] = await Promise.all([connection.exec('commit', deadlines.queryMs), begun]);
    await statements.requireCommit(command);
    failpoint('after-commit');
    return result;
  } catch (error) {
    statements.close();
    await connection.exec('rollback', deadlines.rollbackMs).catch(() => connection.destroy());
    throw statements.causeOf(error);
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
