import type { Command } from 'commander';
import { operate } from './operate.ts';
import { addSettings } from './setting-options.ts';
import { print } from './terminal.ts';

export function addOrders(program: Command): void {
  const orders = program.command('orders').description('look after the orders');
  const rebuild = orders
    .command('rebuild')
    .description("write every order's read model anew from its events")
    .addHelpText(
      'after',
      `
The events are the truth of an order; what lists and reads show is made from them. For when \`banyan audit\` says that
the two differ, or after a change of what is shown. Safe on a running shop, and to repeat.

Examples:
  banyan orders rebuild
  banyan orders rebuild --data-dir /var/lib/banyan`,
    );
  addSettings(rebuild, ['DATA_DIR', 'LOG_LEVEL', 'RUN_ENV']).action(async () => {
    const count = await operate(rebuild, (operations) => operations.orders.rebuild());
    print(`${count} orders rebuilt from their events`);
  });
}
