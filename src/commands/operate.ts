import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import type { Config } from '../config.ts';
import type { Shop } from '../shop.ts';
import type { Operations } from './control.ts';
import { findRunningShop } from './control-client.ts';
import { CommandError, exitCodes } from './exit-codes.ts';
import { loadShop } from './load-shop.ts';
import { commandLog, configOf } from './setting-options.ts';
import { printError } from './terminal.ts';

/** What operators may do to a shop that this process has open. */
export function operationsOf(shop: Shop): Operations {
  const rotate = async () => await (await loadShop()).rotateKeys(shop);
  const rebuild = async () => await (await loadShop()).rebuildOrders(shop);
  return {
    audit: () => shop.audit(),
    backup: () => shop.backup(),
    events: shop.events,
    keys: { rotate },
    orders: { rebuild },
  };
}

/**
 * Works on the configured shop: on Postgres in the database itself, beside whatever runs there; on the embedded
 * database through the process that runs on DATA_DIR, or, when none does, on the folder. Operators look at what is
 * there, so a folder without a shop is refused and nothing is migrated.
 */
export async function operate<Result>(
  command: Command,
  work: (operations: Operations) => Promise<Result>,
): Promise<Result> {
  const config = configOf(command);
  tellPart(config);
  if (config.database === undefined) {
    const running = await findRunningShop(config.dataDir);
    if (running !== undefined) return await work(running);
    if (!holdsShop(config.dataDir)) {
      throw new CommandError(exitCodes.noInput, `there is no shop in ${config.dataDir}`);
    }
  }
  const { createShop } = await loadShop();
  const shop = await createShop({ config: { ...config, migrate: 'off' }, log: commandLog(command) });
  try {
    return await work(operationsOf(shop));
  } finally {
    await shop.stop();
  }
}

/** An audit of a part must not be read as one of the whole shop, nor a gateway's emptiness as health. */
function tellPart({ modules }: Config): void {
  if (modules?.length === 0) {
    throw new CommandError(
      exitCodes.config,
      'MODULES names no module: unset it, and give the databases of all',
    );
  }
  if (modules !== undefined) printError(`MODULES is set: this is about ${modules.join(', ')} alone`);
}

/** Whether a shop was ever opened in this folder. */
export function holdsShop(dataDir: string): boolean {
  return existsSync(join(dataDir, 'postgres'));
}
