import { randomBytes } from 'node:crypto';
import type { Command } from 'commander';
import type { Config } from '../config.ts';
import type { Address, Shop } from '../shop.ts';
import { createLogger, type Logger } from '../telemetry/log.ts';
import { version } from '../version.ts';
import { createControlApp } from './control.ts';
import { removeControlFile, writeControlFile } from './control-file.ts';
import { loadShop } from './load-shop.ts';
import { operationsOf } from './operate.ts';
import { addSettings, configOf } from './setting-options.ts';
import { print, terminal } from './terminal.ts';

export function addServe(program: Command): void {
  const command = program
    .command('serve')
    .description('run the shop')
    .addHelpText(
      'after',
      `
Ends on SIGINT and SIGTERM once requests in flight are answered; a second signal ends it at once.

Examples:
  banyan serve
  banyan serve --port 80 --data-dir /var/lib/banyan
  ADMIN_EMAIL=me@example.com ADMIN_PASSWORD='a long one' banyan serve`,
    );
  addSettings(command).action(async () => {
    await serve(configOf(command));
  });
}

async function serve(config: Config): Promise<void> {
  const log = createLogger({ level: config.logLevel, pretty: Boolean(terminal.out.isTTY) });
  dieOfBugs(log);
  const stopAsked = listenForStop(log);
  const { createShop } = await loadShop();
  const shop = await createShop({ config, log });
  const token = randomBytes(32).toString('base64url');
  shop.opsApp.route('/', createControlApp(operationsOf(shop), token));
  const address = await shop.start();
  const { url, opsUrl } = address;
  writeControlFile(config.dataDir, { pid: process.pid, url, opsUrl, token });
  introduce(shop, address);
  await stopAsked;
  // Removed first: from here on commands find the folder locked for a moment, and then theirs to open.
  removeControlFile(config.dataDir);
  await shop.stop();
  log.info('stopped');
}

/** Resolves at the first signal. At the second, the process ends with the code that shells give a killed one. */
async function listenForStop(log: Logger): Promise<void> {
  const asked = Promise.withResolvers<void>();
  let isStopping = false;
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    process.on(signal, () => {
      if (isStopping) process.exit(code);
      isStopping = true;
      log.info({ signal }, 'stopping; once more to stop at once');
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

function introduce(shop: Shop, { url, opsUrl, notices }: Address): void {
  const strong = terminal.out.isTTY ? (text: string) => `\u001b[1m${text}\u001b[0m` : (text: string) => text;
  print(strong(`Banyan ${version}`));
  print(`  modules     ${shop.modules.map((module) => module.name).join(', ')}`);
  print(`  database    embedded, in ${shop.config.dataDir}`);
  print(`  shop        ${strong(url)}`);
  print(`  docs        ${url}/docs`);
  print(`  operations  ${opsUrl}/health, ${opsUrl}/metrics`);
  for (const notice of notices) print(`  ${notice}`);
}
