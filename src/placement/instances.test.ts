import { expect, test } from 'vitest';
import { allModules } from '../compose.ts';
import { environmentOf, settingProblems } from './environment.ts';
import { instancesOf, type PlacedInstance, placeInstances } from './instances.ts';
import { type Placement, parsePlacement, placementNames, readPlacement } from './placement.ts';
import { placementProblems } from './problems.ts';

const contracts = allModules.map(({ contract }) => contract);
const modules = contracts.map(({ module }): string => module);

/** Every process on a host of its own name. */
function place(placement: Placement): PlacedInstance[] {
  return placeInstances(placement, modules, ({ name }) => ({
    settings: { PORT: '80', OPS_PORT: '90' },
    peer: `http://${name}:90`,
  }));
}

const servers = {
  DATABASE_URL: 'postgres://shop:shop@db/shop',
  REDIS_URL: 'redis://redis',
  SERVICE_SECRET: 'a secret that is long enough to be one',
};
const ownDatabases = Object.fromEntries(
  modules.map((module) => [`${module.toUpperCase()}_DATABASE_URL`, `postgres://${module}@db/${module}`]),
);

test.each(placementNames())('%s has no problem, on servers', (name) => {
  const placement = readPlacement(name);
  expect(placementProblems(placement, contracts)).toEqual([]);
  const env = placement.databases === 'shared' ? servers : { ...servers, ...ownDatabases };
  expect(settingProblems(placement, place(placement), { env })).toEqual([]);
});

test('every process hears where the modules are that it does not host', () => {
  const [gateway, ...rest] = place(readPlacement('split'));
  expect(gateway).toMatchObject({ name: 'gateway', modules: [] });
  expect(gateway?.settings).toEqual({
    MODULES: '',
    ROLES: 'http',
    PEERS:
      'user=http://user:90,product=http://product:90,payment=http://payment:90,order=http://order:90,notification=http://notification:90',
    WORKERS: '1',
    PORT: '80',
    OPS_PORT: '90',
  });
  const worker = rest.find(({ name }) => name === 'order-worker');
  expect(worker?.settings).toMatchObject({
    MODULES: 'order',
    ROLES: 'worker',
    PEERS:
      'user=http://user:90,product=http://product:90,payment=http://payment:90,notification=http://notification:90',
  });
});

test('peers are called as gRPC where the placement says so', () => {
  const [gateway] = place({ ...readPlacement('order-payment'), peers: 'grpc' });
  expect(gateway?.settings.PEERS).toMatch(/^(\w+=grpc:\/\/[\w-]+:90,?)+$/);
});

test('a process with all modules has no peers, and replicas are all named, or once where they share an address', () => {
  const placement = parsePlacement(
    'test',
    `
description: A test.
processes:
  user: { modules: [user], roles: [http], replicas: 2 }
  rest: { modules: all, roles: [http, worker], public: true }
  order: { modules: [order], roles: [worker] }`,
    'test.yaml',
  );
  expect(instancesOf(placement).map(({ name }) => name)).toEqual(['rest', 'user-1', 'user-2', 'order']);
  const [rest, , , order] = place(placement);
  expect(rest?.settings.PEERS).toBeUndefined();
  expect(order?.settings.PEERS).toMatch(
    /^user=http:\/\/rest:90,user=http:\/\/user-1:90,user=http:\/\/user-2:90,product=/,
  );
  const shared = placeInstances(placement, modules, ({ process }) => ({
    settings: {},
    peer: `http://${process.name}:90`,
  }));
  expect(shared[3]?.settings.PEERS).toMatch(/^user=http:\/\/rest:90,user=http:\/\/user:90,product=/);
});

test('a process takes over the environment, save what its placement decides', () => {
  const placement = readPlacement('split');
  const [gateway] = place(placement);
  const env = {
    ...servers,
    MODULES: 'user',
    APP_PROCESS__ROLES: 'worker',
    APP_HTTP__PORT: '1',
    RATE_LIMIT: 'off',
  };
  expect(environmentOf(placement, gateway!, { env })).toEqual({
    ...servers,
    ...gateway?.settings,
    RATE_LIMIT: 'off',
    DATABASE_POOL_MAX: '8',
  });
  const pool = { APP_DATABASE__POOL_MAX: '30' };
  expect(environmentOf(placement, gateway!, { env: pool })).not.toHaveProperty('DATABASE_POOL_MAX');
});

test('what the settings of a split shop lack is told at once, once for all processes that lack it', () => {
  const placement = readPlacement('order-payment');
  const problems = settingProblems(placement, place(placement), { env: { RATE_LIMIT: 'fast' } });
  expect(problems).toEqual([
    expect.stringMatching(/^RATE_LIMIT: .*"fast"$/),
    expect.stringMatching(/^SERVICE_SECRET: /),
    expect.stringMatching(/^DATABASE_URL: /),
    expect.stringMatching(/^REDIS_URL: /),
  ]);
});

test('what only some processes lack is told with their names', () => {
  const placement = readPlacement('split');
  const { REDIS_URL: _, ...env } = servers;
  expect(settingProblems(placement, place(placement), { env })).toEqual([
    expect.stringMatching(/^REDIS_URL: .*\(user, product, payment, order, notification, user-worker, .*\)$/),
  ]);
});

test('the embedded database serves one process', () => {
  const problems = (name: string) =>
    settingProblems(readPlacement(name), place(readPlacement(name)), { env: {} });
  expect(problems('monolith')).toEqual([]);
  expect(problems('workers')).toEqual([expect.stringMatching(/^DATABASE_URL: .*several$/)]);
});

test('databases apart need a URL for each module', () => {
  const placement = readPlacement('split-databases');
  const env = { ...servers, ...ownDatabases, USER_DATABASE_URL: '', ORDER_DATABASE_URL: undefined };
  expect(settingProblems(placement, place(placement), { env })).toEqual([
    'USER_DATABASE_URL, ORDER_DATABASE_URL: in this placement each module has a database of its own',
  ]);
});
