import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { sleep } from '../../src/deadline.ts';
import { endWithProcess } from '../../src/testing/servers/end-with-process.ts';
import { percentile } from '../load/latencies.ts';
import { readPostgresWork, workOfOne } from '../postgres-work.ts';
import type { Servers } from '../stack.ts';
import type { Bench } from '../suite.ts';

const SCRIPT = join(import.meta.dirname, 'order.sql');
/**
 * What it does first is left out, since its clock runs while it connects and each client prepares its statements; the
 * shop has done so long before.
 */
const LEAD_SECONDS = 1;
const CONNECT_SECONDS = 0.01;
const TABLES = join(import.meta.dirname, 'order-tables.sql');

/** An order's own writes, as quick as Postgres takes them. */
export interface OrderLimit {
  /** Runs them by so many clients; the last three are of one order. */
  run(
    clients: number,
    seconds: number,
  ): Promise<{
    rate: number;
    p50Ms: number;
    p99Ms: number;
    statements: number;
    walKb: number;
    postgresCpuUs: number;
  }>;
}

/** Says what is missing where pgbench is; then figures have no limit beside them. */
export const NO_PGBENCH = 'no limit: pgbench is not installed (Debian has it in the package postgresql)';

/** Undefined where pgbench is not installed: npm's Postgres comes without it. */
export async function openOrderLimit(bench: Bench, servers: Servers): Promise<OrderLimit | undefined> {
  const program = join(servers.postgresBin, 'pgbench');
  if (!existsSync(program)) {
    bench.say(NO_PGBENCH);
    bench.note('pgbench', 'not installed');
    return undefined;
  }
  const script = createHash('sha256').update(readFileSync(SCRIPT)).digest('hex');
  bench.note('pgbench', { mode: 'prepared', script: `sha256:${script}` });
  const url = await servers.createDatabase('pgbench');
  await servers.query(url, async (sql) => {
    // Each by itself, since a vacuum takes no transaction.
    for (const statement of readFileSync(TABLES, 'utf8').split(/;\n/)) await sql.unsafe(statement);
  });
  const logs = join(bench.folder, 'pgbench');
  mkdirSync(logs);
  const postgresWork = () => readPostgresWork(servers, url, 'superuser');
  // Ids of a run begin with it, and no two runs may share it.
  let base = Math.floor(Date.now() / 1_000);
  return {
    async run(clients, seconds) {
      base += 1;
      const folder = mkdtempSync(join(logs, 'run-'));
      const leadSeconds = LEAD_SECONDS + clients * CONNECT_SECONDS;
      const begun = sleep(leadSeconds * 1_000).then(async () => {
        const before = await postgresWork();
        return { before, atMs: Date.now() };
      });
      await runPgbench(program, folder, [
        ...['-n', '-M', 'prepared', '-f', SCRIPT, '-D', `base=${base}`, '-D', 'n=0', '--log'],
        // It knows whole seconds only.
        ...['-c', String(clients), '-T', String(Math.ceil(leadSeconds + seconds)), url],
      ]);
      const { before, atMs } = await begun;
      const after = await postgresWork();
      const orders = readLog(folder).filter(({ endedMs }) => endedMs >= atMs);
      rmSync(folder, { recursive: true });
      if (orders.length === 0) throw new Error(`pgbench ended no order by ${clients} clients`);
      const lastMs = orders.reduce((last, { endedMs }) => Math.max(last, endedMs), 0);
      const latencies = orders.map(({ tookMs }) => tookMs).sort((a, b) => a - b);
      return {
        rate: orders.length / ((lastMs - atMs) / 1_000),
        p50Ms: percentile(latencies, 0.5),
        p99Ms: percentile(latencies, 0.99),
        ...workOfOne(before, after, orders.length),
      };
    },
  };
}

async function runPgbench(program: string, folder: string, args: readonly string[]): Promise<void> {
  const child = spawn(program, args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
  const release = endWithProcess(() => child.kill('SIGKILL'));
  let output = '';
  child.stderr.on('data', (chunk) => {
    output += String(chunk);
  });
  const [code] = await once(child, 'close');
  release();
  // A client that fails ends alone, and the others go on: what they reach is no figure.
  if (code !== 0 || /error|abort/i.test(output)) throw new Error(`pgbench ended with ${code}: ${output}`);
}

interface LoggedOrder {
  readonly tookMs: number;
  /** Since 1970. */
  readonly endedMs: number;
}

/** A line is `client transaction latency-in-µs script seconds µs`, the time that of its end. */
export function parseLogLine(line: string): LoggedOrder {
  const [, , tookUs, , seconds, us] = line.split(' ').map(Number);
  return { tookMs: tookUs! / 1_000, endedMs: seconds! * 1_000 + us! / 1_000 };
}

function readLog(folder: string): LoggedOrder[] {
  return readdirSync(folder).flatMap((file) =>
    readFileSync(join(folder, file), 'utf8').trimEnd().split('\n').map(parseLogLine),
  );
}
