import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { inspect } from 'node:util';
import { Command, InvalidArgumentError } from 'commander';
import { parseCount } from '../src/commands/parse-argument.ts';
import { formatTable, print, printError } from '../src/commands/terminal.ts';
import { endWithProcess } from '../src/testing/servers/end-with-process.ts';
import { aboutMachine, aboutVersions } from './about.ts';
import { statementsFile } from './profile.ts';
import { formatFigures, type Report } from './report.ts';
import { createStatus } from './status.ts';
import type { Bench, Figure, Suite } from './suite.ts';
import { suites } from './suites.ts';
import { type JudgedFigure, judge, missesMust } from './targets.ts';

const dist = join(import.meta.dirname, '../dist');

interface Options {
  readonly list?: boolean;
  readonly json?: string;
  readonly profile?: string | true;
  readonly rounds: number;
  readonly seconds: number;
  readonly strict?: boolean;
}

const program = new Command('bench')
  .description('measures the shop beside what this machine can do at most, and reports the ratios')
  .argument('[suites...]', 'by name; all unless given')
  .option('--list', 'name the suites and end')
  .option('--json <file>', 'write the results there as well')
  .option(
    '--profile [folder]',
    'write CPU profiles, and the statements that took most time, into dist/profiles or there',
  )
  .option('--rounds <number>', 'measurements of each, in turn', parseCount, 3)
  .option('--seconds <number>', 'length of one measurement', parseSeconds, 3)
  .option('--strict', 'exit code 1 when a target is missed that must be met')
  .addHelpText('after', '\nbench/README.md says what each figure means.')
  .action(async (wanted: string[], options: Options) => {
    if (options.list) print(listOfSuites());
    else {
      // As `--profile order`: an option takes the word behind it.
      if (suites.some(({ name }) => name === options.profile)) {
        printError(`bench: name suites before --profile: ${options.profile} --profile`);
        process.exit(2);
      }
      await runAll(choose(wanted), options);
    }
  });
await program.parseAsync();

function listOfSuites(): string {
  const rows = suites.map(({ name, about, onlyNamed }) => [
    name,
    `${about}${onlyNamed ? ' (only when named)' : ''}`,
  ]);
  return formatTable(['suite', 'measures'], rows);
}

function parseSeconds(text: string): number {
  const seconds = Number(text);
  if (!(seconds >= 0.1 && seconds <= 3_600)) throw new InvalidArgumentError('expected 0.1 to 3600.');
  return seconds;
}

function choose(wanted: readonly string[]): readonly Suite[] {
  for (const word of wanted) {
    if (!suites.some(({ name }) => name === word)) {
      printError(`bench: there is no suite ${word}; --list names them`);
      process.exit(2);
    }
  }
  return wanted.length === 0
    ? suites.filter(({ onlyNamed }) => !onlyNamed)
    : suites.filter(({ name }) => wanted.includes(name));
}

/** One after another, since two at a time would measure each other. */
async function runAll(chosen: readonly Suite[], options: Options): Promise<void> {
  const { rounds, seconds } = options;
  const folder = mkdtempSync(join(tmpdir(), 'banyan-bench-'));
  // Also after ctrl-C; after a failure its logs may say why.
  const release = endWithProcess(() => rmSync(folder, { recursive: true, force: true }));
  const settings: Record<string, unknown> = { suites: chosen.map(({ name }) => name), rounds, seconds };
  const versions = await aboutVersions();
  const figures: JudgedFigure[] = [];
  const failed: string[] = [];
  for (const suite of chosen) {
    try {
      const found = await runOne(suite, { ...options, folder, settings, versions });
      figures.push(...found.map((each) => judge(each)));
      print(`${formatFigures(figures.slice(-found.length))}\n`);
    } catch (error) {
      failed.push(suite.name);
      printError(
        // With its cause: that a process died is the cause of what no longer came from it.
        `bench: ${suite.name} could not be measured: ${inspect(error)}`,
      );
    }
    const report: Report = { machine: aboutMachine(), versions, settings, figures };
    // After each suite, since all of them take long.
    if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(report, undefined, 2)}\n`);
  }
  if (chosen.length > 1) print(formatFigures(figures));
  if (failed.length > 0) {
    release();
    printError(`bench: not measured: ${failed.join(', ')}; logs are kept in ${folder}`);
  }
  const isMissed = options.strict === true && figures.some((each) => missesMust(each));
  process.exit(failed.length > 0 || isMissed ? 1 : 0);
}

async function runOne(
  suite: Suite,
  options: Options & { folder: string; settings: Record<string, unknown>; versions: Record<string, string> },
): Promise<readonly Figure[]> {
  const { rounds, seconds, profile, settings } = options;
  const status = createStatus(suite.name);
  const folder = join(options.folder, suite.name);
  mkdirSync(folder);
  const ends: (() => unknown)[] = [];
  const bench: Bench = {
    rounds,
    seconds,
    folder,
    profiling: profile === undefined ? undefined : profilingOf(suite, profile),
    say: status.say,
    note(setting, value) {
      settings[setting] = value;
    },
    noteVersion(program, version) {
      options.versions[program] = version;
    },
    atEnd(end) {
      ends.push(end);
    },
  };
  try {
    return await suite.run(bench);
  } finally {
    status.say('stopping');
    for (const end of ends.reverse()) {
      try {
        await end();
      } catch (error) {
        printError(`bench: ${String(error)}`);
      }
    }
    status.end();
  }
}

function profilingOf(suite: Suite, profile: string | true): Bench['profiling'] {
  const folder = resolve(profile === true ? join(dist, 'profiles') : profile);
  mkdirSync(folder, { recursive: true });
  // What an earlier run wrote; several loads of one suite add to the file.
  rmSync(statementsFile(folder, suite.name), { force: true });
  return { folder, suite: suite.name, print };
}
