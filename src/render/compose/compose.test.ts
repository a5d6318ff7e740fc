import { expect, test } from 'vitest';
import { allModules, missingPeers } from '../../compose.ts';
import { loadConfig } from '../../config.ts';
import { WORKER_STOP_TIMEOUT_MS } from '../../limits.ts';
import { environmentOf } from '../../placement/environment.ts';
import { placeInstances } from '../../placement/instances.ts';
import { type Placement, parsePlacement, placementNames, readPlacement } from '../../placement/placement.ts';
import { composeFile } from '../rendered-files.ts';
import { composeProblems, renderCompose } from './compose.ts';

const modules = allModules.map(({ contract }): string => contract.module);

interface Service {
  readonly image: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly networks: readonly string[];
  readonly ports?: readonly unknown[];
  readonly command?: readonly string[];
  readonly volumes?: readonly string[];
  readonly healthcheck?: object;
  readonly stop_grace_period: string;
  readonly deploy?: { readonly replicas: number };
}

function servicesOf(placement: Placement): Record<string, Service> {
  return (renderCompose({ placement, modules, image: 'banyan:1' }) as { services: Record<string, Service> })
    .services;
}

const dotEnv: Record<string, string> = {
  POSTGRES_PASSWORD: 'secret1',
  SERVICE_SECRET: 'a secret that is long enough to be one',
  ADMIN_EMAIL: 'admin@example.com',
  ADMIN_PASSWORD: 'a long password',
};

/** The environment with variables filled in as Compose does it; throws for one that is needed and not there. */
function filled(service: Service, given = dotEnv): Record<string, string> {
  const fill = (text: string) =>
    text.replaceAll(/\$\{(\w+):([-?])([^}]*)\}/g, (_, name: string, kind: string, rest: string) => {
      const value = given[name];
      if (value === undefined && kind === '?') throw new Error(`${name}: ${rest}`);
      return value ?? rest;
    });
  return Object.fromEntries(Object.entries(service.environment).map(([name, text]) => [name, fill(text)]));
}

test.each(placementNames())('%s: each service is told what banyan up would tell its process', (name) => {
  const placement = readPlacement(name);
  const services = servicesOf(placement);
  const instances = placeInstances(placement, modules, ({ process }) => ({
    settings: {},
    peer: `http://${process.name}:9090`,
  }));
  for (const instance of instances) {
    const env = filled(services[instance.name]!);
    const up = environmentOf(placement, instance, { env: dotEnv });
    for (const variable of ['MODULES', 'ROLES', 'PEERS', 'WORKERS', ...Object.keys(placement.defaults)]) {
      expect([variable, env[variable]]).toEqual([variable, up[variable]]);
    }
    const config = loadConfig({ env, inspect: missingPeers });
    expect(config).toMatchObject({ redisUrl: 'redis://redis:6379', migrate: 'off', opsHost: '0.0.0.0' });
  }
});

test('one that is needed in .env is told to be missing, and none has a value in the file', () => {
  const { user, order } = servicesOf(readPlacement('split'));
  for (const name of ['POSTGRES_PASSWORD', 'SERVICE_SECRET', 'ADMIN_EMAIL', 'ADMIN_PASSWORD']) {
    const { [name]: _, ...others } = dotEnv;
    expect(() => filled(user!, others)).toThrow(name);
  }
  expect(() => filled(order!, { POSTGRES_PASSWORD: 'x', SERVICE_SECRET: 'y' })).not.toThrow();
});

test('databases apart are a Postgres for each module, which only its own processes log in to', () => {
  const services = servicesOf(readPlacement('split-databases'));
  const healthy = { condition: 'service_healthy' };
  for (const module of modules) {
    expect(services[`postgres-${module}`]?.networks).toEqual(['data']);
    const setting = `${module.toUpperCase()}_DATABASE_URL`;
    expect(services[`${module}-worker`]?.depends_on).toEqual({
      migrate: { condition: 'service_completed_successfully' },
      [`postgres-${module}`]: healthy,
      redis: healthy,
    });
    const holders = Object.entries(services).filter(([, { environment }]) => environment?.[setting]);
    expect(holders.map(([name]) => name).sort()).toEqual([module, `${module}-worker`, 'migrate'].sort());
    expect(filled(services[module]!)[setting]).toBe(
      `postgres://banyan:secret1@postgres-${module}:5432/banyan`,
    );
  }
  expect(services.postgres).toBeUndefined();
});

test('only the public port is published, and only who has to leaves the inner network', () => {
  const services = servicesOf(readPlacement('split'));
  const published = Object.entries(services).filter(([, { ports }]) => ports !== undefined);
  expect(published.map(([name]) => name)).toEqual(['gateway']);
  const outside = Object.entries(services).filter(([, { networks }]) => networks.includes('outside'));
  expect(outside.map(([name]) => name)).toEqual(['gateway', 'notification-worker']);
});

test('a Postgres has connections for all processes, however many', () => {
  const placement = (replicas: number) =>
    parsePlacement(
      'mine',
      `description: Mine.\nprocesses:\n  shop: { modules: all, roles: [http, worker], public: true, replicas: ${replicas} }`,
      'mine.yaml',
    );
  expect(servicesOf(placement(2)).postgres?.command).toBeUndefined();
  const services = servicesOf(placement(10));
  expect(services.shop?.deploy).toEqual({ replicas: 10 });
  expect(services.postgres?.command).toEqual(['postgres', '-c', 'max_connections=220']);
});

test('each is checked, and Docker waits for longer than the shop does', () => {
  for (const [name, service] of Object.entries(servicesOf(readPlacement('order-payment')))) {
    if (name === 'migrate') continue;
    expect(service.healthcheck).toBeDefined();
    if (service.image !== 'banyan:1') continue;
    expect(service.stop_grace_period).toMatch(/^\d+s$/);
    expect(Number.parseInt(service.stop_grace_period, 10) * 1_000).toBeGreaterThan(WORKER_STOP_TIMEOUT_MS);
  }
});

test('a default that Compose would read as something else is a problem', () => {
  const withSender = (sender: string) => ({
    ...readPlacement('monolith'),
    defaults: { MAIL_FROM: sender },
  });
  expect(composeProblems(withSender('A "shop": <shop@example.com>'))).toEqual([]);
  for (const sender of ['$HOME <shop@example.com>', '{A} <shop@example.com>'])
    expect(composeProblems(withSender(sender))).toEqual([expect.stringMatching(/^defaults: MAIL_FROM: /)]);
});

test('the description of a placement stays a comment, however many lines it has', () => {
  const placement = { ...readPlacement('monolith'), description: 'One.\n---\nkind: Two' };
  const { text } = composeFile({ placement, modules, image: 'banyan:1' });
  expect(text).toContain('# One.\n# ---\n# kind: Two\n');
});
