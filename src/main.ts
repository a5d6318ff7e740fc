import { Command, CommanderError } from 'commander';
import { addAudit } from './commands/audit.ts';
import { addBackup } from './commands/backup.ts';
import { addDemo } from './commands/demo.ts';
import { addEvents } from './commands/events.ts';
import { exitCodeHelp } from './commands/exit-codes.ts';
import { failWith } from './commands/fail.ts';
import { addGraph } from './commands/graph.ts';
import { addImport } from './commands/import.ts';
import { addKeys } from './commands/keys.ts';
import { addLint } from './commands/lint.ts';
import { addMigrate } from './commands/migrate.ts';
import { addOrders } from './commands/orders.ts';
import { addRender } from './commands/render.ts';
import { addReplay } from './commands/replay.ts';
import { addRestore } from './commands/restore.ts';
import { addServe } from './commands/serve.ts';
import { outliveReaders } from './commands/terminal.ts';
import { addToken } from './commands/token.ts';
import { addTraces } from './commands/traces.ts';
import { addUp } from './commands/up.ts';
import { version } from './version.ts';

const program = new Command('banyan')
  .description('A shop that starts as one process: accounts, catalogue, stock, orders, payments, mail.')
  .version(version)
  .showHelpAfterError('(--help shows what is possible)')
  .exitOverride()
  .addHelpText(
    'after',
    `
Settings come from defaults, a YAML file, the environment and flags; docs/settings.md lists them.
${exitCodeHelp}

Examples:
  banyan serve
  banyan demo --limit 100
  banyan audit`,
  );

for (const add of [
  addServe,
  addUp,
  addLint,
  addRender,
  addMigrate,
  addImport,
  addReplay,
  addDemo,
  addAudit,
  addBackup,
  addRestore,
  addEvents,
  addKeys,
  addOrders,
  addGraph,
  addToken,
  addTraces,
]) {
  add(program);
}

outliveReaders();
try {
  await program.parseAsync();
} catch (error) {
  // Commander has already said what was wrong, or printed the help that was asked for.
  process.exit(error instanceof CommanderError ? (error.exitCode === 0 ? 0 : 2) : failWith(error));
}
