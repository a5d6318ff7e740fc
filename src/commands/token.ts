import { Argument, type Command } from 'commander';
import { createServiceTokens } from '../rpc/service-token.ts';
import { moduleNames } from '../settings.ts';
import { CommandError, exitCodes } from './exit-codes.ts';
import { parseId } from './parse-argument.ts';
import { addSettings, configOf } from './setting-options.ts';
import { print } from './terminal.ts';

export function addToken(program: Command): void {
  const command = program
    .command('token')
    .description('print a token for the calls of a module, good for a minute')
    .addArgument(new Argument('<module>', 'the module that is called').choices(moduleNames))
    .option('--user <id>', 'the user for whom the call is made', parseId)
    .addHelpText(
      'after',
      `
Signed with SERVICE_SECRET: whoever has it is a process of the shop. docs/grpc.md tells how to make one in another
language.

Examples:
  banyan token product
  grpcurl -H "authorization: Bearer $(banyan token product)" ...`,
    );
  addSettings(command, ['RUN_ENV']).action(async (module: string, { user }: { user?: string }) => {
    const { serviceSecret } = configOf(command);
    if (serviceSecret === undefined) throw new CommandError(exitCodes.config, 'SERVICE_SECRET is not set');
    print(await createServiceTokens(serviceSecret).issue(module, { userId: user }));
  });
}
