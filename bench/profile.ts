import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatTable } from '../src/commands/terminal.ts';
import { sleep } from '../src/deadline.ts';
import type { Servers, Shop } from './stack.ts';
import { topFunctions } from './top-functions.ts';

/** Where profiles of one suite go. */
export interface Profiling {
  readonly folder: string;
  readonly suite: string;
  print(text: string): void;
}

const WRITTEN_MS = 30_000;
const LOOK_MS = 50;
const TOP = 20;

/** Settings of a process that is to write profiles: SIGUSR2 begins one, the next SIGUSR2 writes it. */
export function armProfiler(profiling: Profiling, name: string): Record<string, string> {
  return {
    NODE_OPTIONS: `--import=${join(import.meta.dirname, 'arm-profiler.ts')}`,
    BENCH_PROFILE_FOLDER: profiling.folder,
    BENCH_PROFILE_NAME: `${profiling.suite}-${name}`,
  };
}

/**
 * Runs `work`, and where a profile was asked for, writes what the shop's process did meanwhile and the statements that
 * took the most time, into the profiles' folder.
 */
export async function profiled<Result>(
  options: { profiling: Profiling | undefined; servers: Servers; shop: Shop; about: string },
  work: () => Promise<Result>,
): Promise<Result> {
  const { profiling, servers, shop, about } = options;
  if (profiling === undefined) return await work();
  const { folder, suite } = profiling;
  const before = profilesIn(folder);
  await resetStatements(servers, shop);
  process.kill(shop.pid, 'SIGUSR2');
  const result = await work();
  process.kill(shop.pid, 'SIGUSR2');
  const endsAt = performance.now() + WRITTEN_MS;
  while (profilesIn(folder).length === before.length) {
    if (performance.now() > endsAt) throw new Error('the shop wrote no profile');
    await sleep(LOOK_MS);
  }
  const written = profilesIn(folder).filter((name) => !before.includes(name));
  for (const name of written) {
    const top = topFunctions(JSON.parse(readFileSync(join(folder, name), 'utf8')), TOP);
    const rows = top.map(({ name: called, where, share }) => [
      `${(share * 100).toFixed(1)} %`,
      called,
      where,
    ]);
    profiling.print(`\n${about}: ${join(folder, name)}\n${formatTable(['self', 'function', 'where'], rows)}`);
  }
  const file = statementsFile(folder, suite);
  writeFileSync(file, `${about}\n\n${await topStatements(servers, shop)}\n`, { flag: 'a' });
  profiling.print(`statements by total time: ${file}`);
  return result;
}

export function statementsFile(folder: string, suite: string): string {
  return join(folder, `${suite}.sql.txt`);
}

function profilesIn(folder: string): string[] {
  return readdirSync(folder).filter((name) => name.endsWith('.cpuprofile'));
}

async function resetStatements(servers: Servers, shop: Shop): Promise<void> {
  if (!servers.hasStatementStatistics || shop.databaseUrl === undefined) return;
  await servers.query(shop.databaseUrl, (own) => own`select pg_stat_statements_reset()`);
}

async function topStatements(servers: Servers, shop: Shop): Promise<string> {
  if (!servers.hasStatementStatistics)
    return 'No statements: this Postgres has no pg_stat_statements (Debian has it in the package postgresql).';
  if (shop.databaseUrl === undefined) return 'No statements: the embedded database does not count them.';
  const rows = await servers.query(
    shop.databaseUrl,
    (sql) => sql<{ calls: string; total: number; mean: number; rows: string; query: string }[]>`
      select calls, total_exec_time as total, mean_exec_time as mean, rows, query
      from pg_stat_statements join pg_database d on d.oid = dbid
      where d.datname = current_database() order by total_exec_time desc limit ${TOP}`,
  );
  return formatTable(
    ['total ms', 'calls', 'mean ms', 'rows', 'statement'],
    rows.map(({ calls, total, mean, rows: count, query }) => [
      total.toFixed(0),
      String(calls),
      mean.toFixed(3),
      String(count),
      query.replace(/\s+/g, ' ').slice(0, 300),
    ]),
  );
}
