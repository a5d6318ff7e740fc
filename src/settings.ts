import { isIP } from 'node:net';
import { z } from 'zod';

/**
 * One setting. Its variable is the key in `settings`; its flag follows from the variable (`DATA_DIR`,
 * `--data-dir`) and its nested variable from its place in a file (`http.port`, `APP_HTTP__PORT`).
 */
export interface Setting<Value = unknown> {
  /** Its place in a YAML file; undefined when a file cannot hold it. */
  readonly path?: string;
  readonly description: string;
  /** What a right value looks like, to end the sentence "expected …". */
  readonly expects: string;
  /** Every layer hands over text, so one schema serves them all. */
  readonly schema: z.ZodType<Value, string>;
  /** Text as somebody would write it; undefined: nothing is set. */
  readonly default?: string;
  /** What takes its place when nothing is set, for people. */
  readonly otherwise?: string;
  /** Its value appears in no message. */
  readonly secret?: true;
}

const port = z
  .string()
  .regex(/^\d{1,5}$/)
  .transform(Number)
  .pipe(z.int().max(65_535));
const host = z.string().regex(/^[\w.:-]+$/);
const name = z.string().min(1).max(200);
const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;

function commaSeparated<Item>(item: z.ZodType<Item, string>): z.ZodType<readonly Item[], string> {
  const split = (text: string) => text.split(',').map((part) => part.trim());
  return z.string().transform(split).pipe(z.array(item));
}

function isNetwork(text: string): boolean {
  const [address = '', prefix, ...rest] = text.split('/');
  const family = isIP(address);
  if (family === 0 || rest.length > 0) return false;
  return prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (family === 4 ? 32 : 128));
}

function isOrigin(text: string): boolean {
  return URL.canParse(text) && new URL(text).origin === text;
}

export const moduleNames = ['user', 'product', 'order', 'payment', 'notification'] as const;
export type ModuleName = (typeof moduleNames)[number];
const moduleName = z.enum(moduleNames) as z.ZodType<ModuleName, string>;

/** `http://host:port` or `grpc://host:port` without anything behind it, or `srv://` and the name of an SRV record. */
function isPeerAddress(text: string): boolean {
  const url = URL.parse(text);
  if (url === null || url.username !== '' || url.search !== '' || url.hash !== '') return false;
  if (url.protocol === 'http:') return text.replace(/\/$/, '') === url.origin;
  if (url.protocol === 'grpc:') return /^grpc:\/\/([\w.-]+|\[[\da-f:]+\]):\d+$/i.test(text);
  return url.protocol === 'srv:' && url.port === '' && /^srv:\/\/[\w.-]+$/.test(text);
}

/** One address of one module, as `product=http://product:9090`. */
const peer = z
  .string()
  .transform((text) => ({ module: text.split('=', 1)[0]!, address: text.replace(/^[^=]*=?/, '') }))
  .pipe(z.object({ module: moduleName, address: z.string().refine(isPeerAddress) }));

/** A URL whose path names one database. */
const databaseUrl = z.string().refine((text) => {
  const url = URL.parse(text);
  return url !== null && /^postgres(ql)?:$/.test(url.protocol) && /^\/[^/]+$/.test(url.pathname);
});

/** From 0 to 1. */
const ratio = z
  .string()
  .regex(/^(0|1|0?\.\d{1,6}|1\.0{1,6})$/)
  .transform(Number);

const collectorUrl = z.url({ protocol: /^https?$/ });

const samplerNames = [
  'always_on',
  'always_off',
  'traceidratio',
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
] as const;
export type SamplerName = (typeof samplerNames)[number];

/** As W3C Baggage has them, and OpenTelemetry took over for headers. */
const headerList = z
  .string()
  .regex(/^\s*[\w!#$%&'*+.^`|~-]+\s*=[^,]*(,\s*[\w!#$%&'*+.^`|~-]+\s*=[^,]*)*$/)
  .transform((text, context) => {
    try {
      const pairs = text.split(',').map((pair) => {
        const [header = '', ...value] = pair.split('=');
        return [header.trim().toLowerCase(), decodeURIComponent(value.join('=').trim())];
      });
      return Object.fromEntries(pairs) as Readonly<Record<string, string>>;
    } catch {
      context.addIssue('a value is not percent-encoded');
      return z.NEVER;
    }
  });

function moduleDatabase(module: string) {
  return {
    path: `database.${module}Url`,
    description: `Postgres of the ${module} module alone, with a login of its own.`,
    expects: 'a postgres:// URL with a database',
    schema: databaseUrl,
    otherwise: 'DATABASE_URL',
    secret: true,
  } as const satisfies Setting;
}

// Kept with each entry's own type, from which `SettingValues` follows.
const settings = {
  PORT: {
    path: 'http.port',
    description: 'Public port; 0 takes a free one.',
    expects: 'a port, 0 to 65535',
    schema: port,
    default: '8080',
  },
  HOST: {
    path: 'http.host',
    description: 'Address the public port listens on.',
    expects: 'an address or a host name',
    schema: host,
    default: '0.0.0.0',
  },
  OPS_PORT: {
    path: 'ops.port',
    description: 'Operations port: metrics, health, control; 0 takes a free one.',
    expects: 'a port, 0 to 65535',
    schema: port,
    default: '9090',
  },
  OPS_HOST: {
    path: 'ops.host',
    description: 'Address the operations port listens on.',
    expects: 'an address or a host name',
    schema: host,
    default: '127.0.0.1',
  },
  DATABASE_URL: {
    path: 'database.url',
    description: 'Postgres (15 or later) that holds every module without a URL of its own.',
    expects: 'a postgres:// URL with a database',
    schema: databaseUrl,
    otherwise: 'the embedded database in DATA_DIR',
    secret: true,
  },
  USER_DATABASE_URL: moduleDatabase('user'),
  PRODUCT_DATABASE_URL: moduleDatabase('product'),
  ORDER_DATABASE_URL: moduleDatabase('order'),
  PAYMENT_DATABASE_URL: moduleDatabase('payment'),
  NOTIFICATION_DATABASE_URL: moduleDatabase('notification'),
  DATABASE_POOL_MAX: {
    path: 'database.poolMax',
    description: 'Connections of one process to Postgres at most, shared out among its modules.',
    expects: 'a whole number from 5 to 1000',
    schema: z
      .string()
      .regex(/^\d{1,4}$/)
      .transform(Number)
      .pipe(z.int().min(5).max(1_000)),
    default: '20',
  },
  DATABASE_POOLER: {
    path: 'database.pooler',
    description: 'Whether PgBouncer stands before Postgres: in `transaction` mode nothing is prepared.',
    expects: '`none` or `transaction`',
    schema: z.enum(['none', 'transaction']) as z.ZodType<'none' | 'transaction', string>,
    default: 'none',
  },
  REDIS_URL: {
    path: 'redis.url',
    description: 'Redis: carries events and jobs between processes, and counts shared limits.',
    expects: 'a redis:// or rediss:// URL',
    schema: z.url({ protocol: /^rediss?$/ }),
    otherwise: 'none: everything stays inside the process',
    secret: true,
  },
  DATA_DIR: {
    path: 'database.dataDir',
    description: "Folder of the embedded database and of the shop's other files.",
    expects: 'a folder',
    schema: z.string().min(1),
    default: './data',
  },
  MIGRATE: {
    path: 'database.migrate',
    description: '`auto`: serve applies pending migrations first; `off`: a job runs `banyan migrate`.',
    expects: '`auto` or `off`',
    schema: z.enum(['auto', 'off']) as z.ZodType<'auto' | 'off', string>,
    default: 'auto',
  },
  ROLES: {
    path: 'process.roles',
    description: 'What this process does: `http` answers requests, `worker` runs events, sagas and jobs.',
    expects: '`http`, `worker` or `http,worker`',
    schema: commaSeparated(z.enum(['http', 'worker']) as z.ZodType<'http' | 'worker', string>).refine(
      (roles) => new Set(roles).size === roles.length,
    ),
    default: 'http,worker',
  },
  MODULES: {
    path: 'process.modules',
    description: 'The modules this process hosts, comma separated; the empty text: none, a pure gateway.',
    expects: `some of ${moduleNames.join(', ')}, each once`,
    schema: z
      .string()
      .transform((text) => (text.trim() === '' ? [] : text.split(',').map((part) => part.trim())))
      .pipe(
        z
          .array(z.enum(moduleNames))
          .refine((modules) => new Set(modules).size === modules.length) as z.ZodType<
          readonly ModuleName[],
          string[]
        >,
      ),
    otherwise: 'all',
  },
  PEERS: {
    path: 'process.peers',
    description:
      'Where the other modules are: the operations ports of the processes that host them. A module named twice has two addresses, and a name in DNS all of its own; calls and proxied requests are spread over them.',
    expects:
      '`module=http://host:port`, `module=srv://name`, or `module=grpc://host:port` to call it as gRPC, comma separated',
    schema: commaSeparated(peer),
    otherwise: 'none',
  },
  SERVICE_SECRET: {
    path: 'process.serviceSecret',
    description:
      'Signs calls between processes, and names the shop in Redis; the same in all of them. Needed where a process hosts less than all modules or has peers.',
    expects: '32 characters or more',
    schema: z.string().min(32),
    otherwise: 'none: the operations port takes no calls',
    secret: true,
  },
  SERVICE_SECRET_ACCEPTED: {
    path: 'process.serviceSecretAccepted',
    description:
      'A second secret whose tokens are taken as well, while SERVICE_SECRET is being changed (docs/operations.md).',
    expects: '32 characters or more',
    schema: z.string().min(32),
    otherwise: 'none',
    secret: true,
  },
  SHADOW_RATIO: {
    path: 'process.shadowRatio',
    description:
      'Share of the calls between modules in one process that also pass through the form they would have between processes, to count what would differ after a split.',
    expects: 'a number from 0 to 1',
    schema: ratio,
    default: '0',
  },
  WORKERS: {
    path: 'process.workers',
    description: 'Processes that share the ports, one for each core; more than one needs DATABASE_URL.',
    expects: 'a whole number from 1 to 64',
    schema: z
      .string()
      .regex(/^\d{1,2}$/)
      .transform(Number)
      .pipe(z.int().min(1).max(64)),
    default: '1',
  },
  ADMIN_EMAIL: {
    path: 'admin.email',
    description: "The first admin's e-mail address; goes with ADMIN_PASSWORD.",
    expects: 'an e-mail address',
    schema: z.email(),
    otherwise: 'made and printed once on the embedded database; none on Postgres',
  },
  ADMIN_PASSWORD: {
    path: 'admin.password',
    description: "The first admin's password; goes with ADMIN_EMAIL.",
    expects: '8 to 128 characters',
    schema: z.string().min(8).max(128),
    otherwise: 'made and printed once on the embedded database; none on Postgres',
    secret: true,
  },
  RATE_LIMIT: {
    path: 'http.rateLimit',
    description: 'Requests a minute for one client, or `off`. Failed logins keep their own limit always.',
    expects: 'a whole number from 1, or `off`',
    schema: z
      .string()
      .regex(/^([1-9]\d{0,8}|off)$/)
      .transform((text) => (text === 'off' ? undefined : Number(text))),
    default: '600',
  },
  TRUSTED_PROXIES: {
    path: 'http.trustedProxies',
    description: 'Networks whose X-Forwarded-For counts, comma separated.',
    expects: 'addresses or networks, as `10.0.0.0/8,::1`',
    schema: commaSeparated(z.string().refine(isNetwork)),
    otherwise: 'none',
  },
  CORS_ORIGINS: {
    path: 'http.corsOrigins',
    description: 'Origins whose pages may call the API, comma separated.',
    expects: 'origins, as `https://shop.example.com`',
    schema: commaSeparated(z.string().refine(isOrigin)),
    otherwise: 'none',
  },
  TLS_CERT: {
    path: 'http.tlsCert',
    description:
      'Certificate of the public port, its chain after it; goes with TLS_KEY, and makes the port HTTPS. Read anew when it changes.',
    expects: 'a PEM file',
    schema: z.string().min(1),
    otherwise: 'none: plain HTTP',
  },
  TLS_KEY: {
    path: 'http.tlsKey',
    description: 'Private key of TLS_CERT, without a passphrase.',
    expects: 'a PEM file',
    schema: z.string().min(1),
    otherwise: 'none: plain HTTP',
  },
  DRAIN_SECONDS: {
    path: 'http.drainSeconds',
    description:
      'How long a process that was told to stop says that it is not ready and still answers, so that balancers turn away from it first.',
    expects: 'a whole number from 0 to 300',
    schema: z
      .string()
      .regex(/^\d{1,3}$/)
      .transform(Number)
      .pipe(z.int().max(300)),
    default: '0',
  },
  TOKEN_ISSUER: {
    path: 'token.issuer',
    description: '`iss` of access tokens.',
    expects: 'a name',
    schema: name,
    default: 'banyan',
  },
  TOKEN_AUDIENCE: {
    path: 'token.audience',
    description: '`aud` of access tokens.',
    expects: 'a name',
    schema: name,
    default: 'banyan',
  },
  SMTP_URL: {
    path: 'mail.smtpUrl',
    description: 'Mail server, as `smtps://user:password@mail.example.com`.',
    expects: 'an smtp:// or smtps:// URL',
    schema: z.url({ protocol: /^smtps?$/ }),
    otherwise: '`.eml` files in `DATA_DIR/mail`',
    secret: true,
  },
  MAIL_FROM: {
    path: 'mail.from',
    description: 'Sender of all mail.',
    expects: 'an address, as `Shop <shop@example.com>`',
    // A line break here would let a value add headers of its own.
    schema: z.string().regex(/^[^\r\n]*[^\s<>@]+@[^\s<>@]+>?$/),
    default: 'Banyan <shop@localhost>',
  },
  PAYMENT_WEBHOOK_SECRET: {
    path: 'payment.webhookSecret',
    description: "Checks the payment provider's webhooks.",
    expects: '32 characters or more',
    schema: z.string().min(32),
    otherwise: 'made for this installation',
    secret: true,
  },
  LOG_LEVEL: {
    path: 'log.level',
    description: 'How much is logged.',
    expects: `one of ${logLevels.join(', ')}`,
    schema: z.enum(logLevels) as z.ZodType<(typeof logLevels)[number], string>,
    default: 'info',
  },
  OTEL_EXPORTER_OTLP_ENDPOINT: {
    path: 'traces.endpoint',
    description: 'OpenTelemetry collector that takes traces (OTLP over HTTP), as `http://collector:4318`.',
    expects: 'an http:// or https:// URL; `/v1/traces` is added to it',
    schema: collectorUrl,
    otherwise: 'none: no traces',
  },
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: {
    path: 'traces.tracesEndpoint',
    description: 'The same for traces alone, with its path.',
    expects: 'an http:// or https:// URL',
    schema: collectorUrl,
    otherwise: 'OTEL_EXPORTER_OTLP_ENDPOINT and `/v1/traces`',
  },
  OTEL_EXPORTER_OTLP_HEADERS: {
    path: 'traces.headers',
    description: 'Headers for the collector, as the token of a vendor.',
    expects: '`name=value` pairs, comma separated, values percent-encoded',
    schema: headerList,
    otherwise: 'none',
    secret: true,
  },
  OTEL_EXPORTER_OTLP_PROTOCOL: {
    path: 'traces.protocol',
    description: 'How traces are sent. There is one way.',
    expects: '`http/protobuf`',
    schema: z.literal('http/protobuf') as z.ZodType<'http/protobuf', string>,
    default: 'http/protobuf',
  },
  OTEL_SERVICE_NAME: {
    path: 'traces.serviceName',
    description: '`service.name` of traces.',
    expects: 'a name',
    schema: name,
    default: 'banyan',
  },
  OTEL_TRACES_SAMPLER: {
    path: 'traces.sampler',
    description:
      'Which traces are recorded; `parentbased_…`: those whose caller records them, and of those that begin here as the rest of the name says.',
    expects: `one of ${samplerNames.join(', ')}`,
    schema: z.enum(samplerNames) as z.ZodType<SamplerName, string>,
    default: 'parentbased_always_on',
  },
  OTEL_TRACES_SAMPLER_ARG: {
    path: 'traces.samplerArg',
    description: 'Share of traces that a `…traceidratio` sampler records.',
    expects: 'a number from 0 to 1',
    schema: ratio,
    default: '1',
  },
  RUN_ENV: {
    description: 'Which environment-specific file is read: `banyan.<RUN_ENV>.yaml` beside `banyan.yaml`.',
    expects: 'small letters, digits and dashes',
    schema: z.string().regex(/^[a-z0-9-]+$/),
    default: 'development',
  },
} as const satisfies Record<string, Setting>;

export type SettingName = keyof typeof settings;

/** All settings after parsing; those without a default may be undefined. */
export type SettingValues = {
  readonly [Name in SettingName]: (typeof settings)[Name] extends { default: string }
    ? z.output<(typeof settings)[Name]['schema']>
    : z.output<(typeof settings)[Name]['schema']> | undefined;
};

export const settingNames = Object.keys(settings) as SettingName[];

/** Every setting of this version: parsing, `--help` and docs/settings.md all come from here. */
export const settingTable: Readonly<Record<SettingName, Setting>> = settings;

/** `DATA_DIR` → `data-dir`. */
export function flagOf(variable: SettingName): string {
  return variable.toLowerCase().replaceAll('_', '-');
}

/** `database.dataDir` → `APP_DATABASE__DATA_DIR`. */
export function nestedVariableOf(path: string): string {
  const segments = path.split('.').map((segment) => segment.replace(/[A-Z]/g, '_$&').toUpperCase());
  return `APP_${segments.join('__')}`;
}
