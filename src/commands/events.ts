import { type Command, Option } from 'commander';
import { type DeliveryState, deliveryStates } from '../events/delivery-state.ts';
import type { ListedDelivery } from './control.ts';
import { CommandError, exitCodes } from './exit-codes.ts';
import { operate } from './operate.ts';
import { parseCount, parseId } from './parse-argument.ts';
import { addSettings } from './setting-options.ts';
import { formatTable, print } from './terminal.ts';

interface ListOptions {
  readonly state?: DeliveryState;
  readonly limit: number;
  readonly json?: boolean;
}

export function addEvents(program: Command): void {
  const events = program
    .command('events')
    .description('look at events on their way to their consumers, and help those that are stuck')
    .addHelpText(
      'after',
      `
A delivery that failed too often is parked, and holds back later events of the same order for that consumer until
it is retried or skipped.

Examples:
  banyan events list --limit 20
  banyan events parked
  banyan events retry 0193e5b2-7c3e-7d35-9d5a-1f0e6c1f7a10
  banyan events skip 0193e5b2-7c3e-7d35-9d5a-1f0e6c1f7a10 notification`,
    );

  const list = events.command('list').description('list deliveries that are not done, due longest first');
  list.addOption(new Option('--state <state>', 'only these').choices(deliveryStates));
  addListOptions(list).action(async (options: ListOptions) => printDeliveries(list, options));

  const parked = events.command('parked').description('list deliveries that were given up');
  addListOptions(parked).action(async (options: ListOptions) =>
    printDeliveries(parked, { ...options, state: 'parked' }),
  );

  const retry = events
    .command('retry')
    .description('deliver a parked event again')
    .argument('<event>', "the event's id", parseId)
    .argument('[consumer]', 'only to this module');
  addFolder(retry).action(async (eventId: string, consumer?: string) => {
    const count = await operate(retry, (operations) => operations.events.retry(eventId, consumer));
    report(count, 'will be delivered again', eventId);
  });

  const skip = events
    .command('skip')
    .description('give a parked event up for one consumer, for good; those behind it go on')
    .argument('<event>', "the event's id", parseId)
    .argument('<consumer>', 'the module that will not get it');
  addFolder(skip).action(async (eventId: string, consumer: string) => {
    const count = await operate(skip, (operations) => operations.events.skip(eventId, consumer));
    report(count, 'skipped', eventId);
  });
}

function addFolder(command: Command): Command {
  return addSettings(command, ['DATA_DIR', 'LOG_LEVEL', 'RUN_ENV']);
}

function addListOptions(command: Command): Command {
  command.option('--limit <number>', 'at most so many', parseCount, 100);
  command.option('--json', 'print one JSON object a line');
  return addFolder(command);
}

async function printDeliveries(command: Command, { state, limit, json }: ListOptions): Promise<void> {
  const deliveries = await operate(command, (operations) => operations.events.list({ state, limit }));
  if (json) {
    for (const delivery of deliveries) print(JSON.stringify(delivery));
  } else if (deliveries.length === 0) {
    print('no such deliveries');
  } else {
    print(
      formatTable(
        ['event', 'type', 'stream', 'from', 'to', 'state', 'tries', 'due', 'error'],
        deliveries.map(cellsOf),
      ),
    );
  }
}

function cellsOf(delivery: ListedDelivery): string[] {
  const { eventId, type, stream, module, consumer, state, attempts, dueAt, lastError } = delivery;
  return [eventId, type, stream, module, consumer, state, String(attempts), dueAt, lastError ?? ''];
}

function report(count: number, what: string, eventId: string): void {
  if (count === 0) {
    throw new CommandError(
      exitCodes.failed,
      `no parked delivery of ${eventId}; see \`banyan events parked\``,
    );
  }
  print(`${count} ${count === 1 ? 'delivery' : 'deliveries'} ${what}`);
}
