import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseDocument } from 'yaml';
import { ConfigError, type ConfigSources, loadConfig } from './config.ts';
import { nestedVariableOf, settingNames, settingTable } from './settings.ts';
import { renderConfigFile, renderSettingsPage } from './settings-pages.ts';

let folder: string;
let file: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'banyan-config-'));
  file = join(folder, 'shop.yaml');
});

afterAll(() => rmSync(folder, { recursive: true }));

function load(sources: ConfigSources & { yaml?: string; sibling?: string } = {}) {
  const { yaml = '', sibling = '', ...rest } = sources;
  writeFileSync(file, yaml);
  writeFileSync(join(folder, 'shop.production.yaml'), sibling);
  return loadConfig({ env: {}, file, ...rest });
}

function problemsOf(sources: Parameters<typeof load>[0]): readonly string[] {
  try {
    load(sources);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

test('without any layer the documented defaults hold', () => {
  expect(load()).toMatchObject({
    runEnv: 'development',
    host: '0.0.0.0',
    port: 8080,
    opsHost: '127.0.0.1',
    opsPort: 9090,
    migrate: 'auto',
    roles: ['http', 'worker'],
    rateLimit: 600,
    trustedProxies: [],
    admin: undefined,
    token: { issuer: 'banyan', audience: 'banyan' },
  });
});

test('each layer wins over those below it', () => {
  const yaml = 'http: { port: 1, host: a, rateLimit: 11 }\nlog: { level: warn }';
  const sibling = 'http: { port: 2, rateLimit: off }';
  const env = { RUN_ENV: 'production', PORT: '3', APP_LOG__LEVEL: 'error' };
  expect(load({ yaml })).toMatchObject({ port: 1, host: 'a', rateLimit: 11, logLevel: 'warn' });
  expect(load({ yaml, sibling, env: { RUN_ENV: 'production' } })).toMatchObject({
    port: 2,
    host: 'a',
    rateLimit: undefined,
  });
  expect(load({ yaml, sibling, env })).toMatchObject({ port: 3, logLevel: 'error' });
  expect(load({ yaml, sibling, env, flags: { PORT: '4' } }).port).toBe(4);
});

test('every setting can be given by a nested variable, and by a file', () => {
  const samples: Record<string, string> = {
    PORT: '1',
    OPS_PORT: '2',
    MIGRATE: 'off',
    ROLES: 'worker',
    ADMIN_EMAIL: 'a@example.com',
    ADMIN_PASSWORD: '0123456789',
    RATE_LIMIT: '7',
    LOG_LEVEL: 'trace',
    TRUSTED_PROXIES: '10.0.0.0/8,::1',
    CORS_ORIGINS: 'https://shop.example.com',
    SMTP_URL: 'smtp://mail.example.com:25',
    MAIL_FROM: 'Shop <shop@example.com>',
    PAYMENT_WEBHOOK_SECRET: 'x'.repeat(32),
    DATABASE_POOL_MAX: '40',
    DATABASE_POOLER: 'transaction',
    REDIS_URL: 'redis://localhost',
    WORKERS: '2',
    MODULES: 'order',
    PEERS: 'product=http://product:9090',
    SERVICE_SECRET: 's'.repeat(32),
    SERVICE_SECRET_ACCEPTED: 't'.repeat(32),
    SHADOW_RATIO: '0.5',
    DRAIN_SECONDS: '5',
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318',
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'https://traces.example.com/intake',
    OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20x',
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf',
    OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
    OTEL_TRACES_SAMPLER_ARG: '0.1',
  };
  for (const name of settingNames.filter((each) => each.endsWith('DATABASE_URL'))) {
    samples[name] = `postgres://localhost/${name.toLowerCase()}`;
  }
  const env: Record<string, string> = {};
  const yaml = parseDocument('{}');
  for (const name of settingNames) {
    const { path } = settingTable[name];
    if (path === undefined) continue;
    env[nestedVariableOf(path)] = samples[name] ?? 'other';
    yaml.setIn(path.split('.'), samples[name] ?? 'other');
  }
  const fromEnvironment = load({ env });
  expect(fromEnvironment).toEqual(load({ yaml: String(yaml) }));
  expect(fromEnvironment).toMatchObject({
    host: 'other',
    workers: 2,
    redisUrl: 'redis://localhost',
    database: { moduleUrls: { order: 'postgres://localhost/order_database_url' } },
    trustedProxies: ['10.0.0.0/8', '::1'],
    admin: { email: 'a@example.com', password: '0123456789' },
    mail: { smtpUrl: 'smtp://mail.example.com:25', from: 'Shop <shop@example.com>' },
  });
});

test('a list in a file may be a YAML list', () => {
  const yaml = 'http:\n  trustedProxies:\n    - 10.0.0.0/8\n    - 192.168.0.1\n';
  expect(load({ yaml }).trustedProxies).toEqual(['10.0.0.0/8', '192.168.0.1']);
});

test('a password of digits in a file keeps its leading zero', () => {
  const yaml = 'admin: { email: a@example.com, password: 0012345678 }';
  expect(load({ yaml }).admin?.password).toBe('0012345678');
});

test('all faults are listed at once, each with its source', () => {
  expect(
    problemsOf({
      env: { PORT: 'http', APP_NONSENSE: '1', ADMIN_EMAIL: 'a@example.com', TLS_CERT: 'x' },
      flags: { LOG_LEVEL: 'loud' },
      yaml: 'http:\n  prot: 80\nshop: 1\nops: 7\n',
    }),
  ).toEqual([
    'APP_NONSENSE is not a setting; docs/settings.md lists them',
    `http.prot (${file} line 2) is not a setting; docs/settings.md lists them`,
    `shop (${file} line 3) is not a setting; docs/settings.md lists them`,
    `ops (${file} line 4): expected a group of settings`,
    'PORT: expected a port, 0 to 65535, got "http"',
    '--log-level: expected one of fatal, error, warn, info, debug, trace, silent, got "loud"',
    'ADMIN_EMAIL and ADMIN_PASSWORD go together: set both or neither',
    'TLS_CERT and TLS_KEY go together: set both or neither',
  ]);
});

test.each([
  ['PORT', '65536'],
  ['PORT', '-1'],
  ['OPS_PORT', '1e3'],
  ['MIGRATE', 'yes'],
  ['ROLES', 'http,http'],
  ['ROLES', 'gateway'],
  ['RATE_LIMIT', '0'],
  ['TRUSTED_PROXIES', '10.0.0.0/33'],
  ['TRUSTED_PROXIES', 'proxy'],
  ['CORS_ORIGINS', 'https://shop.example.com/path'],
  ['SMTP_URL', 'https://mail.example.com'],
  ['MAIL_FROM', 'a@example.com\nBcc: b@example.com'],
  ['PAYMENT_WEBHOOK_SECRET', 'short'],
  ['RUN_ENV', '../production'],
  ['DATABASE_URL', 'mysql://localhost/shop'],
  ['DATABASE_URL', 'postgres://localhost'],
  ['DATABASE_POOL_MAX', '4'],
  ['DATABASE_POOLER', 'session'],
  ['REDIS_URL', 'localhost:6379'],
  ['WORKERS', '0'],
  ['DRAIN_SECONDS', '301'],
  ['OTEL_EXPORTER_OTLP_ENDPOINT', 'collector:4317'],
  ['OTEL_EXPORTER_OTLP_PROTOCOL', 'grpc'],
  ['OTEL_EXPORTER_OTLP_HEADERS', 'a token'],
  ['OTEL_EXPORTER_OTLP_HEADERS', 'authorization=%'],
  ['OTEL_TRACES_SAMPLER', 'sometimes'],
  ['OTEL_TRACES_SAMPLER_ARG', '2'],
])('%s refuses %j', (name, value) => {
  const problems = problemsOf({ env: { [name]: value } });
  expect(problems).toHaveLength(1);
  expect(problems[0]).toMatch(`${name}: expected`);
});

test('a module without any Postgres, beside modules on Postgres, is a fault', () => {
  const url = 'postgres://shop:secret@localhost/shop';
  const [problem] = problemsOf({ env: { ORDER_DATABASE_URL: url } });
  expect(problem).toMatch(/^USER_DATABASE_URL, .*: set each of them, or DATABASE_URL/);
  expect(problem).not.toContain('ORDER_DATABASE_URL');
  expect(load({ env: { ORDER_DATABASE_URL: url, DATABASE_URL: url } }).database).toEqual({
    url,
    moduleUrls: { order: url },
    poolMax: 20,
    pooler: 'none',
  });
});

test('several processes on the embedded database are refused', () => {
  expect(problemsOf({ env: { WORKERS: '2' } })[0]).toMatch('set DATABASE_URL for more');
});

test('a certificate and its key are named by absolute paths', () => {
  const env = { TLS_CERT: 'tls/tls.crt', TLS_KEY: '/etc/tls/tls.key' };
  expect(load({ env }).tls).toEqual({ certFile: resolve('tls/tls.crt'), keyFile: '/etc/tls/tls.key' });
  expect(load({ env: { TLS_CERT: '' } }).tls).toBeUndefined();
});

test('traces go where the standard variables of OpenTelemetry say', () => {
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318/' };
  expect(load({ env }).traces).toEqual({
    url: 'http://collector:4318/v1/traces',
    headers: {},
    serviceName: 'banyan',
    sampler: { name: 'parentbased_always_on', ratio: 1 },
  });
  const more = {
    ...env,
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'https://traces.example.com/intake',
    OTEL_EXPORTER_OTLP_HEADERS: 'Authorization=Bearer%20a=b, x-team = shop',
    OTEL_TRACES_SAMPLER: 'traceidratio',
    OTEL_TRACES_SAMPLER_ARG: '0.25',
  };
  expect(load({ env: more }).traces).toMatchObject({
    url: 'https://traces.example.com/intake',
    headers: { authorization: 'Bearer a=b', 'x-team': 'shop' },
    sampler: { name: 'traceidratio', ratio: 0.25 },
  });
  expect(load({ env: { OTEL_SERVICE_NAME: 'shop' } }).traces).toBeUndefined();
});

test('an empty variable counts as not set, but an empty MODULES asks for a gateway', () => {
  expect(load({ env: { PORT: '', DATABASE_URL: '' } }).port).toBe(8080);
  const gateway = load({ env: { MODULES: '', SERVICE_SECRET: 's'.repeat(32) } });
  expect(gateway.modules).toEqual([]);
  expect(load({ env: { APP_PROCESS__MODULES: '', SERVICE_SECRET: 's'.repeat(32) } }).modules).toEqual([]);
  expect(load().modules).toBeUndefined();
});

test('a variable and its nested form may agree, and are refused when they differ', () => {
  expect(load({ env: { PORT: '5', APP_HTTP__PORT: '5' } }).port).toBe(5);
  expect(problemsOf({ env: { PORT: '5', APP_HTTP__PORT: '6' } })).toEqual([
    'PORT and APP_HTTP__PORT are both set, and differ: unset one',
  ]);
});

test('no message holds a secret', () => {
  const secret = 'hunter2';
  const problems = problemsOf({
    env: { SMTP_URL: `http://user:${secret}@mail`, PAYMENT_WEBHOOK_SECRET: secret },
    yaml: `admin:\n  password: {${secret}\n`,
  });
  expect(problems).toHaveLength(3);
  expect(problems.join()).not.toContain(secret);
});

test('a file asked for by name must be there', () => {
  const missing = join(folder, 'missing.yaml');
  expect(problemsOf({ file: missing })).toEqual([`${missing}: cannot be read (ENOENT)`]);
});

test('the result is frozen all the way down', () => {
  const config = load();
  expect(Object.isFrozen(config)).toBe(true);
  expect(Object.isFrozen(config.roles)).toBe(true);
  expect(Object.isFrozen(config.token)).toBe(true);
});

test('the settings page is what the table says', async () => {
  await expect(renderSettingsPage()).toMatchFileSnapshot('../docs/settings.md');
});

test('the shipped file names every key, and changes nothing', async () => {
  await expect(renderConfigFile()).toMatchFileSnapshot('../deploy/config/banyan.yaml');
  expect(load({ yaml: renderConfigFile() })).toEqual(load());
});

test('a process with a part of the modules needs a secret, Postgres and Redis, all said at once', () => {
  const problems = problemsOf({ env: { MODULES: 'order,payment' } });
  expect(problems.map((problem) => problem.split(':')[0])).toEqual([
    'SERVICE_SECRET',
    'DATABASE_URL',
    'REDIS_URL',
  ]);
  const env = { MODULES: 'user,product,order,payment,notification' };
  expect(load({ env }).modules).toEqual(['user', 'product', 'order', 'payment', 'notification']);
});

test('a module hosted alone needs the URL of its own database only', () => {
  const env = {
    MODULES: 'order',
    SERVICE_SECRET: 's'.repeat(32),
    REDIS_URL: 'redis://redis',
    ORDER_DATABASE_URL: 'postgres://shop@orders/orders',
  };
  expect(load({ env }).database?.moduleUrls).toEqual({ order: 'postgres://shop@orders/orders' });
  expect(problemsOf({ env: { ...env, MODULES: 'order,payment' } })).toEqual([
    expect.stringContaining('PAYMENT_DATABASE_URL'),
  ]);
});

test('peers are addresses by module, several of one module in a list', () => {
  const peers =
    'product=http://a:9090, product=http://b:9090,user=srv://_banyan._tcp.user.shop,order=grpc://[::1]:9090';
  const { peers: known } = load({ env: { PEERS: peers, SERVICE_SECRET: 's'.repeat(32) } });
  expect(known).toEqual({
    product: ['http://a:9090', 'http://b:9090'],
    user: ['srv://_banyan._tcp.user.shop'],
    order: ['grpc://[::1]:9090'],
  });
});

test.each([
  'product',
  'products=http://a:9090',
  'product=https://a:9090',
  'product=http://a:9090/path',
  'product=http://user:password@a:9090',
  'product=a:9090',
  'product=srv://',
  'product=grpc://a',
  'product=grpc://a:9090/path',
  'product=grpc://a:9090,product=http://b:9090',
])('peers as %s are refused', (peers) => {
  expect(problemsOf({ env: { PEERS: peers, SERVICE_SECRET: 's'.repeat(32) } })).toEqual([
    expect.stringContaining('PEERS'),
  ]);
});

test('unknown and repeated modules are refused', () => {
  expect(problemsOf({ env: { MODULES: 'orders' } })).toEqual([expect.stringContaining('MODULES')]);
  expect(problemsOf({ env: { MODULES: 'user,user' } })).toEqual([expect.stringContaining('MODULES')]);
});

test('a short secret is refused without being shown', () => {
  const problems = problemsOf({ env: { SERVICE_SECRET: 'hunter2' } });
  expect(problems).toEqual(['SERVICE_SECRET: expected 32 characters or more']);
});
