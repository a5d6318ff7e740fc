import type { Command } from 'commander';
import { loadShop } from './load-shop.ts';
import { addSettings, commandLog, configOf } from './setting-options.ts';
import { print } from './terminal.ts';

export function addMigrate(program: Command): void {
  const command = program
    .command('migrate')
    .description('bring the database up to date, and list what was applied')
    .addHelpText(
      'after',
      `
With MIGRATE=auto, the default, \`banyan serve\` does this by itself. On Postgres this also makes a login and a schema
for each module, where the login of DATABASE_URL may; where it may not, the SQL for an administrator is printed. A shop
on the embedded database must be stopped first.

Examples:
  banyan migrate
  MIGRATE=off banyan serve   # refuses to start while something is pending`,
    );
  addSettings(command, ['DATA_DIR', 'LOG_LEVEL', 'RUN_ENV']).action(async () => {
    const config = configOf(command);
    const { createShop } = await loadShop();
    const shop = await createShop({ config: { ...config, migrate: 'auto' }, log: commandLog(command) });
    await shop.stop();
    for (const name of shop.migrated) print(`applied ${name}`);
    print(shop.migrated.length === 0 ? 'nothing to apply' : `${shop.migrated.length} applied`);
  });
}
