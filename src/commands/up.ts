import { isIPv6 } from 'node:net';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { type Config, ConfigError, inheritedEnvironment, loadConfig } from '../config.ts';
import { type Common, environmentOf, settingProblems, withSettings } from '../placement/environment.ts';
import {
  type InstanceAddress,
  instancesOf,
  type PlacedInstance,
  type ProcessInstance,
  placeInstances,
} from '../placement/instances.ts';
import { type Placement, placementNames, readPlacement } from '../placement/placement.ts';
import { placementProblems } from '../placement/problems.ts';
import { nestedVariableOf, type SettingName, settingTable } from '../settings.ts';
import { loadShop } from './load-shop.ts';
import { pickPorts, takenPorts } from './pick-ports.ts';
import { createPrefix } from './prefix-lines.ts';
import { programArgs } from './program.ts';
import { addSettings } from './setting-options.ts';
import { supervise } from './supervise.ts';
import { formatTable, print, printError, terminal } from './terminal.ts';
import { removeUpFile, type UpFile, writeUpFile } from './up-file.ts';

/** What `up` itself goes by; everything else is for the processes. */
const ownSettings = [
  'PORT',
  'HOST',
  'OPS_PORT',
  'DATA_DIR',
  'RUN_ENV',
  'TLS_CERT',
  'TLS_KEY',
] as const satisfies SettingName[];
/** Settings that have a flag here. All others come from the environment and the file. */
const flags = ['PORT', 'OPS_PORT', 'DATA_DIR', 'LOG_LEVEL', 'RUN_ENV'] as const satisfies SettingName[];

interface Options {
  readonly config?: string;
  readonly port?: string;
  readonly opsPort?: string;
  readonly dataDir?: string;
  readonly logLevel?: string;
  readonly runEnv?: string;
}

export function addUp(program: Command): void {
  const command = program
    .command('up')
    .description('run a placement of the shop as processes of this machine')
    .argument('<placement>', `${placementNames().join(', ')}, or a YAML file of that form`)
    .addHelpText(
      'after',
      `
The public process gets --port, the others the ports after it, and operations ports likewise; 0 takes free ones. One
that ends is started again. A first ctrl-C or SIGTERM stops all in order, a second at once. While it runs,
DATA_DIR/up.json says which process is where.

Examples:
  banyan up monolith
  DATABASE_URL=postgres://... REDIS_URL=redis://... SERVICE_SECRET=... banyan up split`,
    );
  addSettings(command, flags).action(async (nameOrFile: string, options: Options) => {
    process.exitCode = await up(nameOrFile, options);
  });
}

async function up(nameOrFile: string, options: Options): Promise<number> {
  const placement = readPlacement(nameOrFile);
  const common: Common = {
    env: withSettings(inheritedEnvironment(), {
      PORT: options.port,
      OPS_PORT: options.opsPort,
      DATA_DIR: options.dataDir,
      LOG_LEVEL: options.logLevel,
      RUN_ENV: options.runEnv,
    }),
    file: options.config === undefined ? undefined : resolve(options.config),
  };
  const { allModules } = await loadShop();
  const contracts = allModules.map(({ contract }) => contract);
  const problems = placementProblems(placement, contracts);
  const config = ownConfig(common, problems);
  const ports = await portsOf(placement, config, problems);
  const modules = contracts.map(({ module }) => module);
  const instances = placeInstances(placement, modules, (instance) => ports.addressOf(instance));
  problems.push(...settingProblems(placement, instances, common));
  if (config === undefined || problems.length > 0) throw new ConfigError([...new Set(problems)]);
  return await run({ placement, instances, common, config, urlOf: ports.urlOf });
}

/** The settings that count here; undefined, with what is wrong with them added to `problems`. */
function ownConfig({ env, file }: Common, problems: string[]): Config | undefined {
  const names = ownSettings.flatMap((name) => {
    const { path } = settingTable[name] as { path?: string };
    return path === undefined ? [name] : [name, nestedVariableOf(path)];
  });
  try {
    return loadConfig({ env: Object.fromEntries(names.map((name) => [name, env[name]])), file });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    problems.push(...error.problems);
    return undefined;
  }
}

interface Ports {
  addressOf(instance: ProcessInstance): InstanceAddress;
  urlOf(name: string): { readonly url: string; readonly opsUrl: string };
}

/** A public and an operations port for each process, in their order. */
async function portsOf(placement: Placement, config: Config | undefined, problems: string[]): Promise<Ports> {
  const names = instancesOf(placement).map(({ name }) => name);
  const count = names.length;
  const { port = 0, opsPort = 0, host = '127.0.0.1' } = config ?? {};
  const isRow = (first: number) => first === 0 || first + count - 1 <= 65_535;
  if (!isRow(port)) problems.push(`PORT: ${count} processes need ${count} ports from ${port} on`);
  if (!isRow(opsPort)) problems.push(`OPS_PORT: ${count} processes need ${count} ports from ${opsPort} on`);
  if (port !== 0 && opsPort !== 0 && Math.abs(port - opsPort) < count) {
    problems.push(`OPS_PORT: ${count} processes need ${count} ports each, so it is that far from PORT`);
  }
  // Or another shop's answers would be taken for those of a process that could not start.
  for (const [setting, given] of [
    ['PORT', port],
    ['OPS_PORT', opsPort],
  ] as const) {
    if (given === 0 || !isRow(given)) continue;
    for (const taken of await takenPorts(given, count))
      problems.push(`${setting}: ${taken} is in use already`);
  }
  // One row for both, which so cannot overlap.
  const free = port === 0 || opsPort === 0 ? await pickPorts(2 * count) : 0;
  const first = port || free;
  const firstOps = opsPort || free + count;
  const isPublic = new Map(instancesOf(placement).map(({ name, process }) => [name, process.public]));
  const shownHost = ['0.0.0.0', '::'].includes(host) ? '127.0.0.1' : isIPv6(host) ? `[${host}]` : host;
  const scheme = config?.tls === undefined ? 'http' : 'https';
  const opsUrl = (name: string) => `http://127.0.0.1:${firstOps + names.indexOf(name)}`;
  return {
    addressOf({ name }) {
      const index = names.indexOf(name);
      return {
        settings: {
          PORT: String(first + index),
          // Only the public process is for others than this machine's.
          ...(isPublic.get(name) ? {} : { HOST: '127.0.0.1' }),
          OPS_PORT: String(firstOps + index),
          OPS_HOST: '127.0.0.1',
        },
        peer: opsUrl(name),
      };
    },
    urlOf: (name) => ({
      url: `${scheme}://${isPublic.get(name) ? shownHost : '127.0.0.1'}:${first + names.indexOf(name)}`,
      opsUrl: opsUrl(name),
    }),
  };
}

async function run(parts: {
  placement: Placement;
  instances: readonly PlacedInstance[];
  common: Common;
  config: Config;
  urlOf: Ports['urlOf'];
}): Promise<number> {
  const { placement, instances, common } = parts;
  const { dataDir } = parts.config;
  const processes = new Map(
    instances.map((instance) => {
      const env = environmentOf(placement, instance, common);
      return [instance.name, { env, config: loadConfig({ env, file: common.file }) }];
    }),
  );
  const urlOf = (name: string) => {
    const { url, opsUrl } = parts.urlOf(name);
    return { url: processes.get(name)?.config.tls ? url.replace(/^http:/, 'https:') : url, opsUrl };
  };
  const { url } = urlOf(instances[0]!.name);
  const isTerminal = Boolean(terminal.out.isTTY);
  const prefixed = createPrefix(['up', ...instances.map(({ name }) => name)], isTerminal);
  const readable = isTerminal ? await logFormatter() : (line: string) => line;
  const say = (sentence: string) => print(prefixed('up', sentence));
  process.once('exit', () => removeUpFile(dataDir));
  say(`${placement.name}: ${placement.description}`);
  return await supervise({
    commands: instances.map((instance) => {
      const { env, config } = processes.get(instance.name)!;
      return {
        name: instance.name,
        args: [...programArgs, 'serve', ...(common.file === undefined ? [] : ['--config', common.file])],
        env,
        opsUrl: urlOf(instance.name).opsUrl,
        stopTurn: stopTurnOf(instance),
        drainMs: config.drainMs,
      };
    }),
    take: (name, line, stream) =>
      stream === 'out' ? print(prefixed(name, readable(line))) : printError(prefixed(name, readable(line))),
    say,
    onChange(states) {
      const processes = states.map(
        ({ name, pid, isReady }) => [name, { pid, ...urlOf(name), isReady }] as const,
      );
      const content: UpFile = {
        pid: process.pid,
        placement: placement.name,
        url,
        processes: Object.fromEntries(processes),
      };
      writeUpFile(dataDir, content);
    },
    onReady(states) {
      const rows = states.map(({ name, pid }, index) => {
        const { modules, process: placed } = instances[index]!;
        const shown = placed.modules === 'all' ? 'all' : modules.join(', ') || 'none';
        return [name, shown, placed.roles.join(', '), urlOf(name).url, urlOf(name).opsUrl, String(pid)];
      });
      const table = formatTable(['process', 'modules', 'roles', 'url', 'operations', 'pid'], rows);
      for (const line of table.split('\n')) say(line);
      say(`ready: ${url}`);
    },
  });
}

/**
 * The public process goes first, so that what it has taken is answered with the others still there; then those that
 * only work in the background, which call the rest.
 */
function stopTurnOf({ process: { public: isPublic, roles } }: ProcessInstance): number {
  if (isPublic) return 0;
  return roles.includes('http') ? 2 : 1;
}

/** Makes log lines as readable as a process at the terminal makes its own. */
async function logFormatter(): Promise<(line: string) => string> {
  const { prettyFactory } = await import('pino-pretty');
  const pretty = prettyFactory({ colorize: true, ignore: 'pid,hostname', singleLine: true });
  return (line) => (line.startsWith('{') ? pretty(line).trimEnd() : line);
}
