import { resolve } from 'node:path';
import { type Given, readConfigFiles } from './config-files.ts';
import {
  flagOf,
  type ModuleName,
  nestedVariableOf,
  type SamplerName,
  type SettingName,
  type SettingValues,
  settingNames,
  settingTable,
} from './settings.ts';

/** The whole configuration, validated and frozen. `loadConfig` is the only reader of the environment. */
export interface Config {
  /** Which environment file was read. */
  readonly runEnv: string;
  /** Absolute. */
  readonly dataDir: string;
  /** Undefined: the embedded database in `dataDir`. */
  readonly database: DatabaseConfig | undefined;
  /** Undefined: nothing is shared with other processes but the database. */
  readonly redisUrl: string | undefined;
  /** Processes that share the ports. */
  readonly workers: number;
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly opsHost: string;
  readonly opsPort: number;
  readonly migrate: 'auto' | 'off';
  readonly roles: readonly ('http' | 'worker')[];
  /** The modules this process hosts; undefined is all, none is a pure gateway. */
  readonly modules: readonly string[] | undefined;
  /** By module: where the processes are that host it, as `http://host:port` or `srv://name`. */
  readonly peers: Readonly<Record<string, readonly string[]>>;
  /** Signs calls between processes; undefined: none are taken. */
  readonly serviceSecret: string | undefined;
  /** Another one, whose tokens hold as well. */
  readonly serviceSecretAccepted: string | undefined;
  /** Share of local calls that pass through the wire's form as well. */
  readonly shadowRatio: number;
  readonly logLevel: string;
  /** Where traces go; undefined: nowhere. */
  readonly traces: TracesConfig | undefined;
  /** Requests a minute for one client; undefined is no limit. */
  readonly rateLimit: number | undefined;
  readonly trustedProxies: readonly string[];
  readonly corsOrigins: readonly string[];
  /** The public port's certificate and key, absolute paths of PEM files; undefined: it speaks plain HTTP. */
  readonly tls: { readonly certFile: string; readonly keyFile: string } | undefined;
  /** Between the signal to stop and the end of the ports; not ready meanwhile, but serving. */
  readonly drainMs: number;
  readonly token: { readonly issuer: string; readonly audience: string };
  /** The first admin; undefined makes one on the embedded database. */
  readonly admin: { readonly email: string; readonly password: string } | undefined;
  /** No SMTP URL: messages go to `<dataDir>/mail` as .eml files. */
  readonly mail: { readonly smtpUrl: string | undefined; readonly from: string };
  /** Checks the provider's webhooks; undefined takes one made for this installation. */
  readonly paymentWebhookSecret: string | undefined;
}

/** How this process hands its traces to a collector. */
export interface TracesConfig {
  /** With its path. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly serviceName: string;
  readonly sampler: { readonly name: SamplerName; readonly ratio: number };
}

/** Where the modules' schemas are on Postgres. */
export interface DatabaseConfig {
  /** Undefined when every module has a URL of its own. */
  readonly url: string | undefined;
  /** By module: its own database and login. */
  readonly moduleUrls: Readonly<Record<string, string>>;
  /** Connections of the whole process. */
  readonly poolMax: number;
  readonly pooler: 'none' | 'transaction';
}

/** The configuration is wrong; `problems` holds every fault found, one sentence each, free of secrets. */
export class ConfigError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(`the configuration has ${problems.length === 1 ? 'a fault' : `${problems.length} faults`}`);
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

export interface ConfigSources {
  /** Default: the process's environment. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Values given on the command line, by setting. */
  readonly flags?: Readonly<Partial<Record<SettingName, string>>>;
  /** What the modules, which this file does not know, find wrong with a placement; listed with all other faults. */
  readonly inspect?: (placement: Pick<Config, 'modules' | 'peers' | 'roles' | 'tls'>) => readonly string[];
  /** A YAML file that must be there; without one `deploy/config/banyan.yaml` is read if it is there. */
  readonly file?: string;
}

/** The environment of this process, for those that it starts; what settings it holds is for `loadConfig` to say. */
export function inheritedEnvironment(): Record<string, string | undefined> {
  return { ...process.env };
}

/**
 * Reads all layers (defaults, file, environment-specific file, environment, flags; a later one wins), validates
 * them and freezes the result. Throws `ConfigError` with every fault at once.
 */
export function loadConfig(sources: ConfigSources = {}): Config {
  const env = sources.env ?? process.env;
  const problems: string[] = [];
  const values: Partial<Record<SettingName, unknown>> = {};
  const read = (variable: SettingName, ...layers: (Given | undefined)[]) => {
    const given = layers.find((layer) => layer !== undefined);
    values[variable] = parse(variable, given, problems);
  };

  const flags = fromFlags(sources.flags ?? {});
  const environment = fromEnvironment(env, problems);
  // Which files are read depends on RUN_ENV, so it is known before them.
  read('RUN_ENV', flags.get('RUN_ENV'), environment.get('RUN_ENV'));
  const files = readConfigFiles(sources.file, values.RUN_ENV as string | undefined, problems);
  for (const variable of settingNames) {
    if (variable === 'RUN_ENV') continue;
    read(variable, flags.get(variable), environment.get(variable), files.get(variable));
  }
  if ((values.ADMIN_EMAIL === undefined) !== (values.ADMIN_PASSWORD === undefined)) {
    problems.push('ADMIN_EMAIL and ADMIN_PASSWORD go together: set both or neither');
  }
  if ((values.TLS_CERT === undefined) !== (values.TLS_KEY === undefined)) {
    problems.push('TLS_CERT and TLS_KEY go together: set both or neither');
  }
  const known = values as Partial<SettingValues>;
  problems.push(...databaseProblems(known), ...splitProblems(known));
  problems.push(
    ...(sources.inspect?.({
      modules: known.MODULES,
      peers: arrangePeers(known.PEERS ?? []),
      roles: known.ROLES ?? [],
      tls: arrangeTls(known),
    }) ?? []),
  );
  if (problems.length > 0) throw new ConfigError(problems);
  const config = arrange(values as SettingValues);
  if (config.workers > 1 && config.database === undefined && config.modules?.length !== 0) {
    throw new ConfigError(['WORKERS: the embedded database serves one process; set DATABASE_URL for more']);
  }
  return deepFreeze(config);
}

/** What the setting of a module's own database says the hosted modules lack. */
function databaseProblems(values: Partial<SettingValues>): string[] {
  const isHosted = (variable: string) => values.MODULES?.includes(moduleOf(variable) as ModuleName) ?? true;
  const asked = moduleUrlSettings.filter(isHosted);
  const missing = asked.filter((variable) => values[variable] === undefined);
  if (values.DATABASE_URL !== undefined || missing.length === 0 || missing.length === asked.length) return [];
  return [`${missing.join(', ')}: set each of them, or DATABASE_URL for the modules without one`];
}

/** What a process that does not host every module lacks. */
function splitProblems(values: Partial<SettingValues>): string[] {
  const { MODULES: modules, PEERS: peers = [] } = values;
  const isPart = modules !== undefined && modules.length < moduleUrlSettings.length;
  const problems: string[] = [];
  if ((isPart || peers.length > 0) && values.SERVICE_SECRET === undefined) {
    problems.push('SERVICE_SECRET: calls between processes need it: set the same in all of them');
  }
  for (const [module, addresses] of Object.entries(arrangePeers(peers))) {
    const asGrpc = addresses.filter((address) => address.startsWith('grpc:'));
    if (asGrpc.length === 0 || asGrpc.length === addresses.length) continue;
    problems.push(`PEERS: the addresses of ${module} are all grpc://, or none of them is`);
  }
  if (values.SERVICE_SECRET_ACCEPTED !== undefined && values.SERVICE_SECRET === undefined) {
    problems.push('SERVICE_SECRET_ACCEPTED: goes with SERVICE_SECRET, by which calls are signed');
  }
  if (!isPart || modules.length === 0) return problems;
  const hasDatabase = [values.DATABASE_URL, ...moduleUrlSettings.map((variable) => values[variable])].some(
    (url) => url !== undefined,
  );
  if (!hasDatabase) problems.push('DATABASE_URL: the embedded database serves one process with all modules');
  if (values.REDIS_URL === undefined)
    problems.push('REDIS_URL: events to modules in other processes travel by Redis');
  return problems;
}

function moduleOf(variable: string): string {
  return variable.replace('_DATABASE_URL', '').toLowerCase();
}

const moduleUrlSettings = settingNames.filter((variable) => variable.endsWith('_DATABASE_URL'));

function arrangeDatabase(values: SettingValues): DatabaseConfig | undefined {
  const moduleUrls = Object.fromEntries(
    moduleUrlSettings.flatMap((variable) => {
      return values[variable] === undefined ? [] : [[moduleOf(variable), values[variable] as string]];
    }),
  );
  const { DATABASE_URL: url, DATABASE_POOL_MAX: poolMax, DATABASE_POOLER: pooler } = values;
  if (url === undefined && Object.keys(moduleUrls).length === 0) return undefined;
  return { url, moduleUrls, poolMax, pooler };
}

function fromFlags(flags: Readonly<Partial<Record<SettingName, string>>>): Map<SettingName, Given> {
  const given = new Map<SettingName, Given>();
  for (const variable of settingNames) {
    const text = flags[variable];
    if (text !== undefined) given.set(variable, { text, source: `--${flagOf(variable)}` });
  }
  return given;
}

/** Takes plain and nested variables; an empty one counts as not set, as Compose files pass them. */
function fromEnvironment(
  env: Readonly<Record<string, string | undefined>>,
  problems: string[],
): Map<SettingName, Given> {
  const given = new Map<SettingName, Given>();
  const nestedKnown = new Set<string>();
  for (const variable of settingNames) {
    const { path } = settingTable[variable];
    const nested = path === undefined ? undefined : nestedVariableOf(path);
    if (nested !== undefined) nestedKnown.add(nested);
    // An empty MODULES asks for a gateway without modules; any other empty variable asks for nothing.
    const read = (name: string) => (variable === 'MODULES' ? env[name] : env[name] || undefined);
    const plainText = read(variable);
    const nestedText = nested === undefined ? undefined : read(nested);
    if (plainText !== undefined && nestedText !== undefined && plainText !== nestedText) {
      problems.push(`${variable} and ${nested} are both set, and differ: unset one`);
    }
    if (plainText !== undefined) given.set(variable, { text: plainText, source: variable });
    else if (nestedText !== undefined) given.set(variable, { text: nestedText, source: nested! });
  }
  for (const variable of Object.keys(env)) {
    if (variable.startsWith('APP_') && !nestedKnown.has(variable)) {
      problems.push(`${variable} is not a setting; docs/settings.md lists them`);
    }
  }
  return given;
}

function parse(variable: SettingName, given: Given | undefined, problems: string[]): unknown {
  const setting = settingTable[variable];
  const text = given?.text ?? setting.default;
  if (text === undefined) return undefined;
  const result = setting.schema.safeParse(text);
  if (result.success) return result.data;
  const found = setting.secret ? '' : `, got ${JSON.stringify(text)}`;
  problems.push(`${given?.source ?? variable}: expected ${setting.expects}${found}`);
  return undefined;
}

function arrange(values: SettingValues): Config {
  const { ADMIN_EMAIL: email, ADMIN_PASSWORD: password } = values;
  return {
    runEnv: values.RUN_ENV,
    dataDir: resolve(values.DATA_DIR),
    database: arrangeDatabase(values),
    redisUrl: values.REDIS_URL,
    workers: values.WORKERS,
    host: values.HOST,
    port: values.PORT,
    opsHost: values.OPS_HOST,
    opsPort: values.OPS_PORT,
    migrate: values.MIGRATE,
    roles: values.ROLES,
    modules: values.MODULES,
    peers: arrangePeers(values.PEERS ?? []),
    serviceSecret: values.SERVICE_SECRET,
    serviceSecretAccepted: values.SERVICE_SECRET_ACCEPTED,
    shadowRatio: values.SHADOW_RATIO,
    logLevel: values.LOG_LEVEL,
    traces: arrangeTraces(values),
    rateLimit: values.RATE_LIMIT,
    trustedProxies: values.TRUSTED_PROXIES ?? [],
    corsOrigins: values.CORS_ORIGINS ?? [],
    tls: arrangeTls(values),
    drainMs: values.DRAIN_SECONDS * 1_000,
    token: { issuer: values.TOKEN_ISSUER, audience: values.TOKEN_AUDIENCE },
    admin: email === undefined || password === undefined ? undefined : { email, password },
    mail: { smtpUrl: values.SMTP_URL, from: values.MAIL_FROM },
    paymentWebhookSecret: values.PAYMENT_WEBHOOK_SECRET,
  };
}

function arrangeTls({ TLS_CERT: cert, TLS_KEY: key }: Partial<SettingValues>): Config['tls'] {
  return cert === undefined || key === undefined
    ? undefined
    : { certFile: resolve(cert), keyFile: resolve(key) };
}

function arrangeTraces(values: SettingValues): TracesConfig | undefined {
  const { OTEL_EXPORTER_OTLP_ENDPOINT: base, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: whole } = values;
  const url = whole ?? (base === undefined ? undefined : `${base.replace(/\/$/, '')}/v1/traces`);
  if (url === undefined) return undefined;
  return {
    url,
    headers: values.OTEL_EXPORTER_OTLP_HEADERS ?? {},
    serviceName: values.OTEL_SERVICE_NAME,
    sampler: { name: values.OTEL_TRACES_SAMPLER, ratio: values.OTEL_TRACES_SAMPLER_ARG },
  };
}

/** A module's peers may be many. */
function arrangePeers(peers: NonNullable<SettingValues['PEERS']>): Record<string, string[]> {
  const byModule: Record<string, string[]> = {};
  for (const { module, address } of peers) {
    byModule[module] = [...new Set([...(byModule[module] ?? []), address])];
  }
  return byModule;
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const member of Object.values(value)) deepFreeze(member);
  }
  return value;
}
