import { MIGRATION_DEADLINE_MS } from '../limits.ts';
import { createDatabase } from './create-database.ts';
import type { Engine } from './engine.ts';
import { openConnection, type PostgresLogin } from './postgres-connection.ts';
import { DEADLINES } from './postgres-deadlines.ts';
import { createPostgresPool } from './postgres-pool.ts';
import { transact } from './postgres-transaction.ts';
import { type RunStatement, runRows } from './statement.ts';

/** A Postgres as one login sees it. */
export interface PostgresEngine extends Engine {
  readonly kind: 'postgres';
}

/** Prepares a pool of up to `max` connections; nothing is dialled until it is used. */
export function openPostgres(login: PostgresLogin, max: number, deadlines = DEADLINES): PostgresEngine {
  const pool = createPostgresPool(login, max, deadlines);
  const runOne: RunStatement = (...statement) =>
    pool.use({ guarded: false }, (connection) => {
      // It may write. What comes of this is the statement's own failure, or none.
      if (connection.isGuarded) void connection.setGuarded(false).catch(() => undefined);
      return connection.query(...statement);
    });

  return {
    kind: 'postgres',
    database: (schema) =>
      createDatabase(schema, {
        run: runOne,
        transact: (work) =>
          pool.use({ guarded: true }, (connection) => transact(connection, deadlines, work)),
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
