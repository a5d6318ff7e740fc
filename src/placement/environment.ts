import { ConfigError, loadConfig } from '../config.ts';
import { readConfigFiles } from '../config-files.ts';
import { nestedVariableOf, type SettingName, settingNames, settingTable } from '../settings.ts';
import { ownedSettings, type PlacedInstance } from './instances.ts';
import type { Placement } from './placement.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** What all processes of a placement have in common. */
export interface Common {
  /** The environment they inherit. */
  readonly env: Environment;
  /** The YAML file of `--config`. */
  readonly file?: string;
}

/** Both spellings of a setting: `OPS_PORT` and `APP_OPS__PORT`. */
function spellingsOf(name: SettingName): string[] {
  const { path } = settingTable[name];
  return path === undefined ? [name] : [name, nestedVariableOf(path)];
}

/** `env` with `settings` in it, and no other spelling of them. */
export function withSettings(
  env: Environment,
  settings: Readonly<Partial<Record<SettingName, string>>>,
): Record<string, string> {
  const names = settingNames.filter((name) => settings[name] !== undefined);
  const replaced = new Set(names.flatMap(spellingsOf));
  const kept = Object.entries(env).filter(
    ([variable, value]) => value !== undefined && !replaced.has(variable),
  );
  return Object.fromEntries([...kept, ...names.map((name) => [name, settings[name]])]);
}

/** The environment of one process: what the placement says wins, its defaults lose against what anybody has set. */
export function environmentOf(
  placement: Placement,
  instance: PlacedInstance,
  common: Common,
): Record<string, string> {
  const owned = new Set(ownedSettings.flatMap(spellingsOf));
  const inherited = Object.fromEntries(
    Object.entries(common.env).filter(([variable]) => !owned.has(variable)),
  );
  const isGiven = givenIn(common);
  const defaults = Object.entries(placement.defaults).filter(([name]) => !isGiven(name as SettingName));
  return withSettings({ ...inherited, ...Object.fromEntries(defaults) }, instance.settings);
}

/** Whether the environment or a file sets something, be it right or wrong. */
function givenIn({ env, file }: Common): (name: SettingName) => boolean {
  const files = readConfigFiles(file, env.RUN_ENV || settingTable.RUN_ENV.default, []);
  return (name) => spellingsOf(name).some((variable) => Boolean(env[variable])) || files.has(name);
}

/**
 * What the settings of the processes lack or have wrong, one sentence each, which names the processes where it is not
 * the fault of all.
 */
export function settingProblems(
  placement: Placement,
  instances: readonly PlacedInstance[],
  common: Common,
): string[] {
  const found = new Map<string, string[]>();
  for (const instance of instances) {
    for (const problem of configProblems(environmentOf(placement, instance, common), common.file)) {
      found.set(problem, [...(found.get(problem) ?? []), instance.name]);
    }
  }
  const named = [...found].map(([problem, names]) =>
    names.length === instances.length ? problem : `${problem} (${names.join(', ')})`,
  );
  return [...named, ...databaseProblems(placement, instances, givenIn(common))];
}

function configProblems(env: Environment, file: string | undefined): readonly string[] {
  try {
    loadConfig({ env, file });
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}

/** What no process can know alone: that others need the same data, or that each module was to have its own. */
function databaseProblems(
  { databases }: Placement,
  instances: readonly PlacedInstance[],
  isGiven: (name: SettingName) => boolean,
): string[] {
  const hosted = [...new Set(instances.flatMap(({ modules }) => modules))];
  const urlOf = (module: string) => `${module.toUpperCase()}_DATABASE_URL` as SettingName;
  const withoutUrl = hosted.filter((module) => !isGiven(urlOf(module))).map(urlOf);
  if (databases === 'perModule') {
    return withoutUrl.length === 0
      ? []
      : [`${withoutUrl.join(', ')}: in this placement each module has a database of its own`];
  }
  const sharers = instances.filter(({ modules }) => modules.length > 0);
  if (isGiven('DATABASE_URL') || withoutUrl.length === 0 || sharers.length < 2) return [];
  return sharers.some(({ modules }) => modules.length < hosted.length)
    ? [] // Each process says so for itself.
    : ['DATABASE_URL: the embedded database serves one process, and this placement has several'];
}
