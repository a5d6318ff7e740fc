import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { print, printError } from '../src/commands/terminal.ts';
import { createRandom } from '../src/testing/random.ts';
import type { Fault } from './fault.ts';
import { createStatus, formatRows, hasPassed, type Row } from './table.ts';

const DEFAULT_SEED = 20_110_331;

interface Options {
  readonly short?: boolean;
  readonly list?: boolean;
  readonly seed: string;
  readonly json?: string;
  readonly placement?: string;
}

const program = new Command('faults')
  .description('injects faults into a shop under load, and checks that no promise is broken')
  .argument('[faults...]', 'numbers or names; all unless given')
  .option('--short', 'at least 5 injections and 500 orders each, for CI')
  .option('--seed <number>', 'decides every moment and victim', String(DEFAULT_SEED))
  .option('--placement <name>', 'the shop as in deploy/placements; for the faults that run in any')
  .option('--list', 'name the faults and end')
  .option('--json <file>', 'write the results there as well')
  .addHelpText(
    'after',
    '\nExit code 1 when a fault breaks a promise. Its logs are kept then, and their folder is named.',
  )
  .action(async (wanted: string[], options: Options) => {
    const faults = choose(await loadFaults(), wanted);
    if (options.placement !== undefined) refuseFixed(faults, options.placement);
    if (options.list) for (const { number, name } of faults) print(`${String(number).padStart(2)} ${name}`);
    else await runAll(faults, options);
  });
await program.parseAsync();

/** Every file named by a number is a fault. */
async function loadFaults(): Promise<Fault[]> {
  const files = readdirSync(import.meta.dirname).filter((name) => /^\d\d-.*\.ts$/.test(name));
  const modules = await Promise.all(
    files.map((name) => import(join(import.meta.dirname, name)) as Promise<{ fault: Fault }>),
  );
  return modules.map(({ fault }) => fault).sort((a, b) => a.number - b.number);
}

function choose(faults: readonly Fault[], wanted: readonly string[]): readonly Fault[] {
  for (const word of wanted) {
    if (!faults.some((fault) => isNamed(fault, word))) {
      printError(`faults: there is no fault ${word}; --list names them`);
      process.exit(2);
    }
  }
  return wanted.length === 0 ? faults : faults.filter((fault) => wanted.some((word) => isNamed(fault, word)));
}

/** Ends the suite where a fault brings a shop of its own. */
function refuseFixed(faults: readonly Fault[], placement: string): void {
  const fixed = faults.filter(({ anyPlacement }) => !anyPlacement);
  if (fixed.length === 0) return;
  printError(`faults: not for a shop placed as ${placement}: ${fixed.map(({ name }) => name).join(', ')}`);
  process.exit(2);
}

function isNamed({ number, name }: Fault, word: string): boolean {
  return word === name || Number(word) === number;
}

/** One after another: two at a time would share the machine, and each other's stalls. */
async function runAll(faults: readonly Fault[], options: Options): Promise<void> {
  const seed = Number(options.seed);
  const root = mkdtempSync(join(tmpdir(), 'banyan-faults-'));
  print(`seed ${seed}, ${options.short ? 'short' : 'full'} figures, logs in ${root}`);
  const rows: Row[] = [];
  const { short = false, placement } = options;
  for (const fault of faults) {
    const first = await runOne(fault, { short, seed, placement, root });
    // Another program took the port of a server that was down: that says nothing about the shop.
    const lostItsPort = 'broken' in first.result && /address already in use/i.test(first.result.broken);
    const row = lostItsPort ? await runOne(fault, { short, seed, placement, root, again: true }) : first;
    rows.push(row);
    // At once, since all of them take more than an hour.
    if (!hasPassed(row)) for (const problem of problemsOf(row)) print(indent(problem));
    if (options.json !== undefined) {
      writeFileSync(options.json, `${JSON.stringify({ seed, short, rows }, undefined, 2)}\n`);
    }
  }
  print(`\n${formatRows(rows)}`);
  const failed = rows.filter((row) => !hasPassed(row));
  if (failed.length > 0) print(`\nlogs are kept in ${root}`);
  else rmSync(root, { recursive: true, force: true });
  process.exitCode = failed.length > 0 ? 1 : 0;
}

async function runOne(
  fault: Fault,
  options: { short: boolean; seed: number; placement: string | undefined; root: string; again?: boolean },
): Promise<Row> {
  const { short, seed, placement, root, again } = options;
  const name = placement === undefined ? fault.name : `${fault.name} in ${placement}`;
  const status = createStatus(`fault ${fault.number} ${name}`);
  const folder = join(root, `${String(fault.number).padStart(2, '0')}-${fault.name}${again ? '-again' : ''}`);
  mkdirSync(folder);
  const startedMs = performance.now();
  const took = () => (performance.now() - startedMs) / 1_000;
  try {
    const random = createRandom(seed + fault.number);
    const result = await fault.run({ short, seed, placement, random, folder, say: status.say });
    const row: Row = { fault: { number: fault.number, name }, seconds: took(), result };
    const verdict = hasPassed(row) ? 'passed' : `FAILED, ${result.problems.length} problems`;
    status.end(`${verdict} in ${Math.round(row.seconds)} s; ${result.notes.join('; ')}`);
    if (hasPassed(row)) rmSync(folder, { recursive: true, force: true });
    return row;
  } catch (error) {
    status.end(`could not be run: ${String(error)}`);
    return {
      fault: { number: fault.number, name },
      seconds: took(),
      result: { broken: error instanceof Error ? String(error.stack) : String(error) },
    };
  }
}

function problemsOf({ result }: Row): readonly string[] {
  return 'broken' in result ? [result.broken] : result.problems;
}

function indent(text: string): string {
  return `  ${text.replaceAll('\n', '\n    ')}`;
}
