import type { Command } from 'commander';
import { operate } from './operate.ts';
import { addSettings } from './setting-options.ts';
import { print } from './terminal.ts';

export function addKeys(program: Command): void {
  const keys = program.command('keys').description('look after the keys that sign access tokens');
  const rotate = keys
    .command('rotate')
    .description('make a new signing key; nobody is logged out')
    .addHelpText(
      'after',
      `
The new key is published at once and signs as soon as every verifier has had time to fetch it. Tokens signed by
older keys stay good until they end.

Examples:
  banyan keys rotate
  banyan keys rotate --data-dir /var/lib/banyan`,
    );
  addSettings(rotate, ['DATA_DIR', 'LOG_LEVEL', 'RUN_ENV']).action(async () => {
    const { kid, signsFrom } = await operate(rotate, (operations) => operations.keys.rotate());
    print(`new signing key ${kid}, signs from ${signsFrom}`);
  });
}
