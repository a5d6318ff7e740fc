import { ConfigError } from '../config.ts';
import { isUnavailable } from '../errors.ts';
import { ShopUnavailable } from './api-client.ts';
import { CommandError, exitCodes } from './exit-codes.ts';
import { printError } from './terminal.ts';

/** What to look at, below what went wrong, for failures of a start that are mostly a setting. */
const HINTS: Readonly<Record<string, string>> = {
  database_unavailable:
    'Postgres is looked for where DATABASE_URL says, with the login in it; a module may have its own, as ORDER_DATABASE_URL',
  database_locked: 'stop the shop that runs on it first, or name another folder by DATA_DIR',
  EADDRINUSE: 'stop what listens there, or choose another port: PORT, OPS_PORT',
};

/** Says what went wrong, in a sentence where it was to be expected and with its stack where it is a bug. */
export function failWith(error: unknown): number {
  if (error instanceof ConfigError) {
    printError(`banyan: ${error.message}:`);
    for (const problem of error.problems) printError(`  ${problem}`);
    return exitCodes.config;
  }
  if (error instanceof CommandError) {
    printError(`banyan: ${error.message}`);
    return error.exitCode;
  }
  const { code, message } = error as NodeJS.ErrnoException;
  const isAbsent = error instanceof ShopUnavailable || isUnavailable(error);
  if (isAbsent || code === 'EADDRINUSE' || code === 'EACCES') {
    const { cause } = error as Error;
    const reason = cause instanceof Error && cause.message !== message ? ` (${cause.message})` : '';
    printError(`banyan: ${message}${reason}`);
    const hint = HINTS[code ?? ''];
    if (hint !== undefined) printError(`  ${hint}`);
    return exitCodes.unavailable;
  }
  printError(`banyan: ${error instanceof Error ? error.stack : String(error)}`);
  return exitCodes.failed;
}
