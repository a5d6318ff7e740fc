import type { Command } from 'commander';
import type { Config } from '../config.ts';
import { sleep } from '../deadline.ts';
import { isUnavailable } from '../errors.ts';
import type { Logger } from '../telemetry/log.ts';
import { loadShop } from './load-shop.ts';
import { addSettings, commandLog, configOf } from './setting-options.ts';
import { print, printError } from './terminal.ts';

export function addMigrate(program: Command): void {
  const command = program
    .command('migrate')
    .description('bring the database up to date, and list what was applied')
    .option('--wait', 'apply nothing, and end as soon as nothing is pending for the modules of this process')
    .addHelpText(
      'after',
      `
With MIGRATE=auto, the default, \`banyan serve\` does this by itself. On Postgres this also makes a login and a schema
for each module, where the login of DATABASE_URL may; where it may not, the SQL for an administrator is printed. A shop
on the embedded database must be stopped first.

Examples:
  banyan migrate
  banyan migrate --wait && banyan serve   # where a job migrates
  MIGRATE=off banyan serve   # refuses to start while something is pending`,
    );
  addSettings(command, ['DATA_DIR', 'LOG_LEVEL', 'RUN_ENV']).action(async ({ wait }: { wait?: boolean }) => {
    const config = configOf(command);
    if (wait) return await waitUntilMigrated(config, commandLog(command));
    const { createShop } = await loadShop();
    const shop = await createShop({ config: { ...config, migrate: 'auto' }, log: commandLog(command) });
    await shop.stop();
    for (const name of shop.migrated) print(`applied ${name}`);
    print(shop.migrated.length === 0 ? 'nothing to apply' : `${shop.migrated.length} applied`);
  });
}

/** Between two looks; a migration takes seconds, and each look opens a few connections. */
const LOOK_MS = 2_000;

/** Opens the shop without migrating until it opens. While a database is away it waits as well, and says so. */
async function waitUntilMigrated(config: Config, log: Logger): Promise<void> {
  const { createShop } = await loadShop();
  let told = '';
  for (;;) {
    try {
      const shop = await createShop({ config: { ...config, migrate: 'off' }, log });
      await shop.stop();
      return print('nothing is pending');
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      if (error.message !== told) printError(`waiting: ${error.message}`);
      told = error.message;
      await sleep(LOOK_MS);
    }
  }
}
