import type { Command } from 'commander';
import { createApiClient } from './api-client.ts';
import { exitCodes } from './exit-codes.ts';
import { PATIENCE_MS } from './import.ts';
import { parseCount, parseCurrency, parseShopUrl } from './parse-argument.ts';
import { createProgress } from './progress.ts';
import { reportReplay } from './replay-report.ts';
import { replayTrade } from './replay-trade.ts';
import { addSettings, commandLog, configOf } from './setting-options.ts';
import { reachShop, type TargetShop } from './target-shop.ts';
import { print, printError } from './terminal.ts';
import { readTrade, type TradeOrder } from './trade-file.ts';

/** Enough to keep both cores of a small machine busy; more only waits in the shop. */
const CONCURRENCY = 4;

interface ReplayOptions {
  readonly url?: string;
  readonly limit?: number;
  readonly concurrency: number;
  readonly currency: string;
}

export function addReplay(program: Command): void {
  const command = program
    .command('replay')
    .description('place the orders of a file as its customers would, and check every total')
    .argument(
      '<ndjson>',
      'file of {invoice, customer, items: [{sku, quantity}]}, one a line, may be gzipped (.gz)',
    )
    .option(
      '--url <url>',
      'the shop (default: the one that runs on DATA_DIR, else DATA_DIR itself)',
      parseShopUrl,
    )
    .option('--limit <number>', 'only the first so many orders', parseCount)
    .option('--currency <code>', 'what the orders are paid in', parseCurrency, 'GBP')
    .addHelpText(
      'after',
      `
Registers each customer, signs in, places each order through the public HTTP API with the invoice number as its
Idempotency-Key, and pays. Replaying a file again within a day places nothing again. The accounts' passwords follow
from their names: for shops that are for trying out. Exit code 1 when an order failed or a total is wrong.

Examples:
  banyan replay deploy/demo/orders-2010-12.ndjson.gz
  banyan replay orders.ndjson --limit 100 --concurrency 8 --url http://localhost:8080`,
    );
  addConcurrency(command);
  addSettings(command, ['DATA_DIR', 'LOG_LEVEL', 'RUN_ENV']).action(
    async (file: string, options: ReplayOptions) => {
      const config = configOf(command);
      const orders = await readTrade(file, options.limit);
      const target = await reachShop(config, commandLog(command), options.url);
      try {
        if ((await runReplay(target, orders, options)) > 0) process.exitCode = exitCodes.failed;
      } finally {
        await target.stop();
      }
    },
  );
}

export function addConcurrency(command: Command): Command {
  return command.option('--concurrency <number>', 'orders under way at once', parseCount, CONCURRENCY);
}

/** Replays with progress bars and prints the report; returns how many orders were not as they should be. */
export async function runReplay(
  target: TargetShop,
  orders: readonly TradeOrder[],
  options: { concurrency: number; currency: string },
): Promise<number> {
  const { concurrency, currency } = options;
  const result = await replayTrade({
    client: createApiClient(target.url, PATIENCE_MS, printError),
    orders,
    currency,
    concurrency,
    registering: createProgress({ label: 'customers', unit: 'signed in' }),
    startTrading: () => createProgress({ label: 'replay', unit: 'orders' }),
  });
  for (const line of reportReplay(result, currency, target.inProcess)) print(line);
  return result.orders.filter((order) => order.fault !== undefined).length;
}
