import { randomBytes } from 'node:crypto';
import type { Command } from 'commander';
import type { DestinationStream } from 'pino';
import type { Config } from '../config.ts';
import { certificateProblems } from '../http/certificate.ts';
import type { Metrics } from '../http/metrics.ts';
import { EXIT_GRACE_MS } from '../limits.ts';
import { createLogger, type Logger } from '../telemetry/log.ts';
import { startTracing } from '../telemetry/tracing.ts';
import { createControlApp } from './control.ts';
import { removeControlFile, writeControlFile } from './control-file.ts';
import { boundHeapGrowth } from './heap-growth.ts';
import { introduce } from './introduce.ts';
import { loadShop } from './load-shop.ts';
import { listenForLogLevel } from './log-level.ts';
import { operationsOf } from './operate.ts';
import { addSettings, configOf } from './setting-options.ts';
import { endWithSupervisor, isSupervised } from './supervised.ts';
import { print, terminal } from './terminal.ts';
import { isFirst, isWorker, leavePrimary, tellPrimary } from './worker-process.ts';
import { runWorkers } from './workers.ts';

export function addServe(program: Command): void {
  const command = program
    .command('serve')
    .description('run the shop')
    .addHelpText(
      'after',
      `
Ends on SIGINT and SIGTERM once requests in flight are answered; a second signal ends it at once.
With --workers, SIGTERM to one of the processes replaces it by a new one. SIGUSR2 turns a detailed log on and off.

Examples:
  banyan serve
  banyan serve --port 80 --data-dir /var/lib/banyan
  banyan serve --workers 4   # with DATABASE_URL
  ADMIN_EMAIL=me@example.com ADMIN_PASSWORD='a long one' banyan serve`,
    );
  addSettings(command).action(async () => {
    const { missingPeers } = await loadShop();
    const config = configOf(command, (placement) => [
      ...missingPeers(placement),
      ...certificateProblems(placement.tls),
    ]);
    const log = createLogger({ level: config.logLevel, destination: await logDestination() });
    dieOfBugs(log);
    endWithSupervisor();
    if (config.workers > 1 && !isWorker)
      process.exitCode = await runWorkers({ count: config.workers, log, drainMs: config.drainMs });
    else {
      listenForLogLevel(log, config.logLevel);
      await serve(config, isWorker ? log.child({ pid: process.pid }) : log);
    }
  });
}

async function serve(config: Config, log: Logger): Promise<void> {
  boundHeapGrowth();
  const stopAsked = listenForStop(log);
  const { createShop } = await loadShop();
  const tracing = await startTracing(config, log);
  const shop = await createShop({ config, log, metrics: isWorker ? await sharedMetrics() : undefined });
  const token = randomBytes(32).toString('base64url');
  // On Postgres operators' commands open the database themselves; only a locked folder needs a door.
  const hasDoor = config.database === undefined && shop.modules.length > 0;
  if (hasDoor) shop.opsApp.route('/', createControlApp(operationsOf(shop), token));
  const address = await shop.start();
  const { url, opsUrl } = address;
  if (hasDoor) writeControlFile(config.dataDir, { pid: process.pid, url, opsUrl, token });
  tellPrimary({ type: 'ready' });
  if (isSupervised) for (const notice of address.notices) print(notice);
  else if (isFirst) introduce(shop, address);
  await stopAsked;
  // Removed first: from here on commands find the folder locked for a moment, and then theirs to open.
  if (hasDoor) removeControlFile(config.dataDir);
  await shop.stop();
  await tracing.stop();
  log.info('stopped');
  leavePrimary();
  // What did not stop in its time, as a job whose Redis is gone, would keep the process for ever.
  setTimeout(() => process.exit(), EXIT_GRACE_MS).unref();
}

/** At a terminal a form for people, else JSON on standard output. */
async function logDestination(): Promise<DestinationStream | undefined> {
  if (!terminal.out.isTTY) return undefined;
  return (await import('../telemetry/pretty.ts')).prettyLines(terminal.out);
}

/** Loaded when needed, as the shop is. */
async function sharedMetrics(): Promise<Metrics> {
  return (await import('./worker-metrics.ts')).createWorkerMetrics();
}

/**
 * Resolves at the first signal. At the second, the process ends with the code that shells give a killed one; but
 * not a worker, since terminals and systemd signal every process, and the primary does so too: it kills workers.
 * The same goes for a process of `banyan up`.
 */
async function listenForStop(log: Logger): Promise<void> {
  const asked = Promise.withResolvers<void>();
  const hasParent = isWorker || isSupervised;
  let isStopping = false;
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    process.on(signal, () => {
      if (isStopping && hasParent) return;
      if (isStopping) process.exit(code);
      isStopping = true;
      log.info({ signal }, hasParent ? 'stopping' : 'stopping; once more to stop at once');
      asked.resolve();
    });
  }
  await asked.promise;
}

/** After a bug that nobody caught, no state can be trusted: log it and end. The next start takes up what was open. */
function dieOfBugs(log: Logger): void {
  process.on('uncaughtException', (error) => {
    log.fatal({ err: error }, 'uncaught exception');
    process.exit(1);
  });
}
