import { type Command, Option } from 'commander';
import { type Config, type ConfigSources, loadConfig } from '../config.ts';
import { flagOf, type SettingName, settingNames, settingTable } from '../settings.ts';
import { createLogger, type Logger } from '../telemetry/log.ts';

/** Gives the command a flag for each of `names`, as settings.ts has them; all other settings still count. */
export function addSettings(command: Command, names: readonly SettingName[] = settingNames): Command {
  command.option(
    '--config <file>',
    'YAML file with settings (default: deploy/config/banyan.yaml; banyan.yaml beside an executable of one file)',
  );
  for (const name of names) {
    const { description, otherwise } = settingTable[name];
    const fallback = otherwise ?? settingTable[name].default;
    const option = new Option(`--${flagOf(name)} <value>`, `${description} (${name}; default: ${fallback})`);
    command.addOption(option.helpGroup('Settings:'));
  }
  return command;
}

/**
 * The configuration that the command line, the environment and the files make together. `inspect` tells what the
 * modules find wrong with it; see `ConfigSources`.
 */
export function configOf(command: Command, inspect?: ConfigSources['inspect']): Config {
  const options = command.opts<Record<string, string | undefined>>();
  const flags: Partial<Record<SettingName, string>> = {};
  for (const option of command.options) {
    const name = settingNames.find((candidate) => option.long === `--${flagOf(candidate)}`);
    const value = options[option.attributeName()];
    if (name !== undefined && value !== undefined) flags[name] = value;
  }
  return loadConfig({ flags, file: options.config, inspect });
}

/**
 * The log of a command that opens a shop for its own use: on standard error, and quiet unless `--log-level` asks,
 * so that results and progress stay readable.
 */
export function commandLog(command: Command): Logger {
  const level = command.opts<{ logLevel?: string }>().logLevel ?? 'warn';
  return createLogger({ level, destination: process.stderr });
}
