import { withDeadline } from '../deadline.ts';
import { invariant } from '../errors.ts';
import { failpoint } from '../failpoint.ts';
import { MIGRATION_DEADLINE_MS } from '../limits.ts';
import { createDatabase } from './create-database.ts';
import type { Engine } from './engine.ts';
import { openConnection, type PostgresConnection, type PostgresLogin } from './postgres-connection.ts';
import { DEADLINES, type Deadlines } from './postgres-deadlines.ts';
import { createPostgresPool } from './postgres-pool.ts';
import { type RunStatement, runRows } from './statement.ts';

/** A Postgres as one login sees it. */
export interface PostgresEngine extends Engine {
  readonly kind: 'postgres';
}

/** Prepares a pool of up to `max` connections; nothing is dialled until it is used. */
export function openPostgres(login: PostgresLogin, max: number, deadlines = DEADLINES): PostgresEngine {
  const pool = createPostgresPool(login, max, deadlines);
  const runOne: RunStatement = (...statement) => pool.use((connection) => connection.query(...statement));

  return {
    kind: 'postgres',
    database: (schema) =>
      createDatabase(schema, {
        run: runOne,
        transact: (work) => pool.use((connection) => transact(connection, deadlines, work)),
      }),
    async script(work) {
      // A session of its own: it may take long, and must not keep the shop's few connections.
      const connection = openConnection(login, {
        deadlines: { ...deadlines, queryMs: MIGRATION_DEADLINE_MS },
      });
      try {
        const patient = { ...deadlines, transactionMs: MIGRATION_DEADLINE_MS };
        await transact(connection, patient, async (query) => {
          await connection.exec('set local statement_timeout = 0; set local lock_timeout = 0');
          await work({
            exec: async (script) => {
              await connection.exec(script);
            },
            rows: (statement) => runRows(query, statement),
          });
        });
      } finally {
        await connection.close();
      }
    },
    async check() {
      const { busy, max } = pool.state();
      if (busy < max) {
        await runOne('select 1');
        return;
      }
      // A full pool tells that there is much to do, and not whether the server answers.
      const connection = openConnection(login, { deadlines });
      try {
        await connection.query('select 1');
      } finally {
        await connection.close();
      }
    },
    close: () => pool.close(),
    async dump() {
      throw new Error('a Postgres server is dumped by pg_dump');
    },
    async beginCopy() {
      throw new Error('a Postgres server is copied by pg_basebackup');
    },
    poolState: pool.state,
  };
}

/**
 * Commits what `work` did when it resolves. When it rejects, rolls back and rejects with its error, whatever
 * becomes of the rollback; a session that is in doubt is cut off, which rolls back as well. What `work` left
 * running behind its back is refused from then on, or it would run in the session's next transaction.
 */
async function transact<T>(
  connection: PostgresConnection,
  deadlines: Deadlines,
  work: (query: RunStatement) => Promise<T>,
): Promise<T> {
  let isOpen = true;
  const query: RunStatement = async (...statement) => {
    invariant(isOpen, 'a statement runs before its transaction has ended');
    return await connection.query(...statement);
  };
  await connection.exec('begin', deadlines.queryMs);
  try {
    const result = await withDeadline(work(query), deadlines.transactionMs, 'a transaction');
    isOpen = false;
    failpoint('before-commit');
    // Postgres answers the commit of a failed transaction with a rollback, and no error.
    const command = await connection.exec('commit', deadlines.queryMs);
    invariant(command === 'COMMIT', 'work whose statement failed does not end as if it had not');
    failpoint('after-commit');
    return result;
  } catch (error) {
    isOpen = false;
    await connection.exec('rollback', deadlines.rollbackMs).catch(() => connection.destroy());
    throw error;
  }
}
