import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { ConfigError, inheritedEnvironment, loadConfig } from '../config.ts';
import { METRICS_ANSWER_MS } from '../limits.ts';
import type { AnyModule } from '../module.ts';
import { type Common, environmentOf, settingProblems } from '../placement/environment.ts';
import { folderWarnings } from '../placement/folder-warnings.ts';
import { type PlacedInstance, placeInstances } from '../placement/instances.ts';
import { chattyWarnings, type NetworkCost, networkCosts } from '../placement/network-cost.ts';
import { type Placement, placementNames, readPlacement } from '../placement/placement.ts';
import { placementProblems } from '../placement/problems.ts';
import { readTraffic, type Traffic } from '../placement/traffic.ts';
import { readMetrics } from '../telemetry/read-metrics.ts';
import { CommandError, exitCodes } from './exit-codes.ts';
import { loadShop } from './load-shop.ts';
import { formatCount, formatTable, print } from './terminal.ts';

interface Options {
  readonly config?: string;
  readonly metrics?: string;
}

export function addLint(program: Command): void {
  program
    .command('lint')
    .description('tell what is wrong with a placement, and what it would cost')
    .argument('<placement>', `${placementNames().join(', ')}, or a YAML file of that form`)
    .option('--config <file>', 'YAML file with settings (default: deploy/config/banyan.yaml)')
    .option('--metrics <from>', 'metrics of a shop that has traded: its operations URL, or a file')
    .addHelpText(
      'after',
      `
Problems are what \`banyan up\` would refuse to start for, with the settings as they are here. With --metrics it also
tells which calls would go over the network, and warns of modules that talk too much to be apart; the bytes of calls
are known if that shop ran with SHADOW_RATIO. Ends with 1 when there are problems; warnings alone end with 0.

Examples:
  banyan lint monolith
  banyan lint split --metrics http://127.0.0.1:9090
  banyan lint my-placement.yaml --metrics yesterday.prom`,
    )
    .action(async (nameOrFile: string, options: Options) => {
      process.exitCode = await lint(nameOrFile, options);
    });
}

async function lint(nameOrFile: string, options: Options): Promise<number> {
  const common: Common = {
    env: inheritedEnvironment(),
    file: options.config === undefined ? undefined : resolve(options.config),
  };
  const { allModules } = await loadShop();
  const look = examine(nameOrFile, allModules, common);
  const traffic = options.metrics === undefined ? [] : await recordedTraffic(options.metrics, allModules);
  const costs = look.placement === undefined ? [] : networkCosts(look.placement, traffic);
  const warnings = [...look.warnings, ...chattyWarnings(costs)];
  for (const problem of look.problems) print(`problem: ${problem}`);
  for (const warning of warnings) print(`warning: ${warning}`);
  if (costs.length > 0) print(costTable(costs));
  print(`${nameOrFile}: ${counted(look.problems.length, 'problem')}, ${counted(warnings.length, 'warning')}`);
  return look.problems.length === 0 ? exitCodes.ok : exitCodes.failed;
}

interface Look {
  /** Undefined when it could not be read. */
  readonly placement?: Placement;
  readonly problems: readonly string[];
  readonly warnings: readonly string[];
}

function examine(nameOrFile: string, modules: readonly AnyModule[], common: Common): Look {
  try {
    const placement = readPlacement(nameOrFile);
    const contracts = modules.map(({ contract }) => contract);
    const names = contracts.map(({ module }) => module as string);
    // Where each one listens is for whoever runs it to say; that it can be reached is all that counts here.
    const instances = placeInstances(placement, names, () => ({
      settings: {},
      peer: 'http://127.0.0.1:9090',
    }));
    const problems = [
      ...placementProblems(placement, contracts),
      ...settingProblems(placement, instances, common),
    ];
    const configured = problems.length > 0 ? [] : configure(placement, instances, common);
    return { placement, problems: [...new Set(problems)], warnings: folderWarnings(modules, configured) };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { problems: error.problems, warnings: [] };
  }
}

function configure(placement: Placement, instances: readonly PlacedInstance[], common: Common) {
  return instances.map((instance) => {
    const config = loadConfig({ env: environmentOf(placement, instance, common), file: common.file });
    return { instance, config };
  });
}

async function recordedTraffic(from: string, modules: readonly AnyModule[]): Promise<Traffic[]> {
  const text = /^https?:\/\//.test(from) ? await fetchMetrics(from) : readFile(from);
  const traffic = readTraffic(readMetrics(text), modules);
  if (traffic.length > 0) return traffic;
  throw new CommandError(
    exitCodes.badData,
    `${from} tells of no requests that made calls: metrics of a shop that has traded are needed`,
  );
}

async function fetchMetrics(from: string): Promise<string> {
  const url = new URL(from);
  if (url.pathname === '/') url.pathname = '/metrics';
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(METRICS_ANSWER_MS) });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    return await answer.text();
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new CommandError(exitCodes.unavailable, `no metrics from ${url.href} (${why})`, { cause });
  }
}

function readFile(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new CommandError(exitCodes.noInput, `${file} cannot be read (${code})`, { cause });
  }
}

function costTable(costs: readonly NetworkCost[]): string {
  const rows = costs.map(({ traffic, callsPerRequest, addedMs }) => [
    `${traffic.caller} → ${traffic.module}`,
    traffic.ownRequests ? `to ${traffic.caller}` : 'any',
    callsPerRequest.toFixed(2),
    traffic.bytesPerCall === undefined ? 'unknown' : formatCount(traffic.bytesPerCall),
    addedMs.toFixed(2),
  ]);
  return formatTable(['over the network', 'per request', 'calls', 'bytes per call', 'added ms'], rows);
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}
