import { openAsBlob } from 'node:fs';
import type { Command } from 'commander';
import type { Config } from '../config.ts';
import { createApiClient } from './api-client.ts';
import { CommandError, exitCodes } from './exit-codes.ts';
import { importCatalogue } from './import-catalogue.ts';
import { parseShopUrl } from './parse-argument.ts';
import { createProgress } from './progress.ts';
import { type Credentials, signIn } from './session.ts';
import { addSettings, commandLog, configOf } from './setting-options.ts';
import { reachShop, type TargetShop } from './target-shop.ts';
import { formatCount, print, printError } from './terminal.ts';

/** How long a request may be put off by lost connections and "later" answers. */
export const PATIENCE_MS = 120_000;

interface ImportOptions {
  readonly url?: string;
  readonly email?: string;
  readonly password?: string;
}

export function addImport(program: Command): void {
  const command = program
    .command('import')
    .description('take a catalogue into a shop')
    .argument('<csv>', 'file with the columns sku,name,price_minor,currency,on_hand[,category,description]')
    .option(
      '--url <url>',
      'the shop (default: the one that runs on DATA_DIR, else DATA_DIR itself)',
      parseShopUrl,
    )
    .option('--email <address>', 'who imports: staff or admin (default: ADMIN_EMAIL)')
    .option('--password <password>', 'with --email (default: ADMIN_PASSWORD)')
    .addHelpText(
      'after',
      `
Lines that fail are listed and do not stop the rest; then the exit code is 1. Importing a file again changes nothing.

Examples:
  banyan import catalogue.csv
  ADMIN_EMAIL=me@example.com ADMIN_PASSWORD='a long one' banyan import catalogue.csv --url https://shop.example.com`,
    );
  addSettings(command, ['DATA_DIR', 'LOG_LEVEL', 'RUN_ENV']).action(
    async (file: string, options: ImportOptions) => {
      const config = configOf(command);
      const catalogue = await openInput(file);
      const target = await reachShop(config, commandLog(command), options.url);
      try {
        const credentials = credentialsOf(options, config, target);
        if ((await runImport(target.url, credentials, catalogue)) > 0) process.exitCode = exitCodes.failed;
      } finally {
        await target.stop();
      }
    },
  );
}

/** Imports with a progress bar and prints what came of it; returns how many lines failed. */
export async function runImport(url: string, credentials: Credentials, catalogue: Blob): Promise<number> {
  const client = createApiClient(url, PATIENCE_MS, printError);
  const staff = await signIn(client, credentials);
  const startedMs = performance.now();
  const progress = createProgress({ label: 'import', unit: 'lines' });
  const job = await importCatalogue(client, staff, catalogue, progress);
  for (const { line, message } of job.errors) printError(`line ${line}: ${message}`);
  const seconds = (performance.now() - startedMs) / 1000;
  print(`import: ${formatCount(job.done)} lines in ${seconds.toFixed(1)} s, ${job.errors.length} failed`);
  if (job.state === 'failed')
    throw new CommandError(exitCodes.failed, 'the import gave up; it may be tried again');
  return job.errors.length;
}

/** The file, read as it is sent. */
async function openInput(file: string): Promise<Blob> {
  try {
    return await openAsBlob(file);
  } catch (error) {
    throw new CommandError(exitCodes.noInput, `${file} cannot be read`, { cause: error });
  }
}

function credentialsOf(options: ImportOptions, config: Config, target: TargetShop): Credentials {
  const email = options.email ?? target.admin?.email;
  const password =
    options.password ?? (options.email === undefined ? target.admin?.password : config.admin?.password);
  if (email !== undefined && password !== undefined) return { email, password };
  throw new CommandError(
    exitCodes.usage,
    'who imports? Give --email and --password, or set ADMIN_EMAIL and ADMIN_PASSWORD',
  );
}
