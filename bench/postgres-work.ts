import { usageOf } from './about.ts';
import type { Servers } from './stack.ts';

/** What Postgres did so far. Differences count: unlike rates they are the same on a busy machine. */
export interface PostgresWork {
  /**
   * In this database, without `begin` and `commit`: Postgres counts these only when they are parsed, and pgbench has them
   * prepared. NaN when nobody counts.
   */
  readonly statements: number;
  /** Written to the log, by all databases. */
  readonly walBytes: number;
  readonly cpuSeconds: number;
}

/**
 * `by`: whose statements count. The modules of a shop have logins of their own, and the superuser only looks; pgbench
 * is the superuser.
 */
export async function readPostgresWork(
  servers: Servers,
  databaseUrl: string,
  by: 'logins' | 'superuser',
): Promise<PostgresWork> {
  return await servers.query(databaseUrl, async (sql) => {
    const [log] = await sql<{ bytes: number }[]>`
      select (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::float8 as bytes`;
    const counted = servers.hasStatementStatistics
      ? await sql<{ calls: number }[]>`
          select coalesce(sum(calls), 0)::float8 as calls
          from pg_stat_statements join pg_database d on d.oid = dbid
          where d.datname = current_database() and (userid = current_user::regrole) = ${by === 'superuser'}
            and query !~* '^(begin|start|commit|rollback)'`
      : [];
    return {
      statements: counted[0]?.calls ?? Number.NaN,
      walBytes: log!.bytes,
      cpuSeconds: usageOf(servers.postgres.pid!).cpuSeconds,
    };
  });
}

/** Of one order. */
export function workOfOne(before: PostgresWork, after: PostgresWork, orders: number) {
  return {
    statements: (after.statements - before.statements) / orders,
    walKb: (after.walBytes - before.walBytes) / 1_000 / orders,
    postgresCpuUs: ((after.cpuSeconds - before.cpuSeconds) * 1e6) / orders,
  };
}
