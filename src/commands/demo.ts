import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { readAsset } from '../assets.ts';
import { printFindings } from './audit.ts';
import { exitCodes } from './exit-codes.ts';
import { runImport } from './import.ts';
import { parseCount } from './parse-argument.ts';
import { addConcurrency, runReplay } from './replay.ts';
import { addSettings, commandLog, configOf } from './setting-options.ts';
import { inventAdmin, startOwnShop } from './target-shop.ts';
import { print } from './terminal.ts';
import { parseTrade } from './trade-file.ts';

const TRADE = 'deploy/demo/orders-2010-12.ndjson.gz';
const CATALOGUE = 'deploy/demo/catalogue.csv';
const CURRENCY = 'GBP';

interface DemoOptions {
  readonly keep?: boolean;
  readonly limit?: number;
  readonly concurrency: number;
}

export function addDemo(program: Command): void {
  const command = program
    .command('demo')
    .description("sell a real retailer's December in a throw-away shop, and audit it")
    .option('--limit <number>', 'only the first so many orders', parseCount)
    .option('--keep', 'keep the folder, to look around in with `banyan serve --data-dir`')
    .addHelpText(
      'after',
      `
Starts a shop on a free port, imports its catalogue, replays its orders over HTTP, and audits the result. Nothing
stays behind without --keep. Exit code 0 when every order was paid, every total is right and the audit is clean.

Examples:
  banyan demo
  banyan demo --limit 100 --keep`,
    );
  addConcurrency(command);
  addSettings(command, ['LOG_LEVEL', 'RUN_ENV']).action(async (options: DemoOptions) => {
    const dataDir = await mkdtemp(join(tmpdir(), 'banyan-demo-'));
    try {
      const orders = parseTrade(TRADE, readAsset(TRADE), options.limit);
      const catalogue = new Blob([readAsset(CATALOGUE)]);
      const admin = inventAdmin();
      // Whatever Postgres and Redis are configured are somebody's shop: the demo has its own.
      const own = { dataDir, admin, database: undefined, redisUrl: undefined };
      const config = { ...configOf(command), ...own };
      if (options.keep) print(`folder ${dataDir}, admin ${admin.email}, password ${admin.password}`);
      const shop = await startOwnShop(config, commandLog(command));
      try {
        const failedLines = await runImport(shop.url, admin, catalogue);
        const failedOrders = await runReplay(shop, orders, { ...options, currency: CURRENCY });
        const findings = await printFindings(shop.audit());
        const isRight = failedLines + failedOrders + findings === 0;
        if (!isRight) process.exitCode = exitCodes.failed;
      } finally {
        await shop.stop();
      }
    } finally {
      if (options.keep) print(`kept; look around with: banyan serve --data-dir ${dataDir}`);
      else await rm(dataDir, { recursive: true, force: true });
    }
  });
}
