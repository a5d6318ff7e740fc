import { expect, test } from 'vitest';
import { ConfigError } from '../config.ts';
import { defineContract } from '../rpc/contract.ts';
import { parsePlacement, placementNames, readPlacement } from './placement.ts';
import { placementProblems } from './problems.ts';

const contracts = [
  defineContract('user', { calls: {} }),
  defineContract('order', { calls: {}, needs: ['user'], consumes: ['user.erased.v1'] }),
];

function problemsOf(run: () => unknown): readonly string[] {
  try {
    run();
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

const parse = (processes: string) =>
  parsePlacement('test', `description: A test.\nprocesses:\n${processes}`, 'test.yaml');
const problems = (processes: string, of = contracts) => placementProblems(parse(processes), of);

test('a placement is read by name', () => {
  expect(placementNames()).toEqual(['monolith', 'order-payment', 'split', 'split-databases', 'workers']);
  expect(readPlacement('workers')).toMatchObject({
    name: 'workers',
    databases: 'shared',
    processes: [
      { name: 'http', modules: 'all', roles: ['http'], replicas: 1, public: true },
      { name: 'worker', modules: 'all', roles: ['worker'], replicas: 1, public: false },
    ],
  });
  expect(readPlacement('split-databases').databases).toBe('perModule');
});

test('one that is not there is told with those that are', () => {
  expect(problemsOf(() => readPlacement('spilt'))).toEqual([
    expect.stringContaining('split-databases, workers'),
  ]);
  expect(problemsOf(() => readPlacement('./none.yaml'))).toEqual(['./none.yaml: cannot be read (ENOENT)']);
});

test('a file without the form of a placement is refused with every fault of its form', () => {
  const text = 'description: x\nport: 80\nprocesses:\n  a: { modules: some, roles: [mail] }\n';
  const found = problemsOf(() => parsePlacement('a', text, 'a.yaml'));
  expect(found).toEqual([
    expect.stringContaining('a.yaml: processes.a.modules'),
    expect.stringContaining('a.yaml: processes.a.roles.0'),
    expect.stringContaining('port'),
  ]);
  const twice =
    'description: x\nprocesses:\n  a: { modules: all, roles: [http] }\n  a: { modules: all, roles: [http] }\n';
  expect(problemsOf(() => parsePlacement('a', twice, 'a.yaml'))).toEqual([
    'a.yaml line 4: not valid YAML (DUPLICATE_KEY)',
  ]);
});

test('a placement that hosts every module in both roles has no problem', () => {
  expect(problems('  all: { modules: all, roles: [http, worker], public: true }')).toEqual([]);
  expect(
    problems(`
  gateway: { modules: [], roles: [http], public: true }
  user: { modules: [user], roles: [http, worker], replicas: 2 }
  order: { modules: [order], roles: [http] }
  order-worker: { modules: [order], roles: [worker] }`),
  ).toEqual([]);
});

test('modules that are unknown or run nowhere are all told at once, with what goes missing', () => {
  const found = problems('  a: { modules: [order, mail], roles: [http], public: true }');
  expect(found).toEqual([
    'a: there is no module mail, only user, order',
    'no process with the role http hosts user: its part of the API is nowhere, and order cannot call it',
    'no process with the role worker hosts user: its jobs and sagas stand still',
    'no process with the role worker hosts order: its jobs and sagas stand still, and nobody handles user.erased.v1 for it',
  ]);
});

test('names, numbers and roles that no process can have are told', () => {
  const found = problems(`
  Shop: { modules: all, roles: [http, worker], public: true }
  many: { modules: [user, user], roles: [], replicas: 65 }
  half: { modules: [user], roles: [http, http], replicas: 0.5 }
  idle: { modules: [], roles: [worker] }
  endless: { modules: [user], roles: [http], replicas: 1000000000 }
  two: { modules: [user], roles: [http], replicas: 2 }
  two-2: { modules: [user], roles: [http] }`);
  expect(found).toEqual([
    expect.stringMatching(/^Shop: a process is named by/),
    'many: a module is named twice',
    'many: roles are http, worker or both, each once',
    'many: replicas are a whole number from 1 to 64, got 65',
    'half: roles are http, worker or both, each once',
    'half: replicas are a whole number from 1 to 64, got 0.5',
    'idle: a worker without modules has nothing to do',
    'endless: replicas are a whole number from 1 to 64, got 1000000000',
    'two-2: two processes would have this name',
  ]);
});

test('exactly one process is public, and answers requests', () => {
  const all = 'modules: all, roles: [http, worker]';
  expect(problems(`  a: { ${all} }`)).toEqual([expect.stringMatching(/none is$/)]);
  expect(problems(`  a: { ${all}, public: true }\n  b: { ${all}, public: true }`)).toEqual([
    expect.stringMatching(/a and b is$/),
  ]);
  expect(problems(`  a: { ${all} }\n  b: { modules: all, roles: [worker], public: true }`)).toEqual([
    'b: it is public, so it needs the role http',
  ]);
});

test('modules that need each other are told as the way around', () => {
  const circle = [
    defineContract('a', { calls: {}, needs: ['b'] }),
    defineContract('b', { calls: {}, needs: ['c'] }),
    defineContract('c', { calls: {}, needs: ['b'] }),
  ];
  expect(problems('  all: { modules: all, roles: [http, worker], public: true }', circle)).toEqual([
    'modules need each other: b → c → b',
  ]);
});

test('defaults are settings that the placement does not decide itself', () => {
  const placement = readPlacement('monolith');
  const found = placementProblems(
    { ...placement, defaults: { RATE_LIMIT: '5', PEERS: 'x', COLOUR: 'red' } },
    contracts,
  );
  expect(found).toEqual([
    'defaults: PEERS follows from the placement',
    'defaults: COLOUR is not a setting; docs/settings.md lists them',
  ]);
});
