import type { Command } from 'commander';
import type { Finding } from '../audit.ts';
import { exitCodes } from './exit-codes.ts';
import { operate } from './operate.ts';
import { addSettings } from './setting-options.ts';
import { formatTable, print } from './terminal.ts';

export function addAudit(program: Command): void {
  const command = program
    .command('audit')
    .description('check stock, money, sagas and events, and print what breaks an invariant')
    .option('--json', 'print one JSON object a line')
    .addHelpText(
      'after',
      `
Looks at I1 (stock), I2 (money), I4 (stuck orders), I5 (events lost or doubled) and I6 (gaps in an order's events),
through the running shop or, while it is stopped, in its folder. Exit code 1 when something is broken.

Examples:
  banyan audit
  banyan audit --json | jq .subject
  banyan audit --data-dir /var/lib/banyan`,
    );
  addSettings(command, ['DATA_DIR', 'LOG_LEVEL', 'RUN_ENV']).action(async (options: { json?: boolean }) => {
    const count = await operate(command, (operations) => printFindings(operations.audit(), options.json));
    if (count > 0) process.exitCode = exitCodes.failed;
  });
}

/** Prints what an audit found, and returns how much that is. JSON lines come as they are found. */
export async function printFindings(findings: AsyncIterable<Finding>, asJson = false): Promise<number> {
  const rows: string[][] = [];
  let count = 0;
  for await (const finding of findings) {
    count += 1;
    if (asJson) print(JSON.stringify(finding));
    else rows.push([finding.invariant, finding.subject, finding.detail]);
  }
  if (asJson) return count;
  if (count === 0) print('audit: every invariant holds');
  else print(`${formatTable(['rule', 'subject', 'detail'], rows)}\n\naudit: ${count} broken`);
  return count;
}
