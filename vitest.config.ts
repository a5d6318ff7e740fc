import { configDefaults, defineConfig } from 'vitest/config';

// These talk to Postgres and Redis, so they run in the project that has them.
const onServers = ['{src,build,faults,equivalence,bench}/**/*.db.test.ts'];
// What touches a database behaves alike on the embedded one and on Postgres, so it is tested on both.
const onBoth = [
  'modules/**/*.test.ts',
  'src/{events,saga,jobs}/*.test.ts',
  'src/telemetry/traces.test.ts',
  'src/http/idempotency.test.ts',
  'src/database/{shared-transaction,transaction-statements}.test.ts',
  'src/openapi-walk.test.ts',
];

export default defineConfig({
  test: {
    // Two forks: the embedded database takes up to 0.9 GB under load, and small machines have two cores.
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    projects: [
      {
        extends: true,
        test: {
          name: 'embedded',
          include: ['{src,modules,deploy,equivalence,bench}/**/*.test.ts'],
          exclude: [...configDefaults.exclude, ...onServers],
        },
      },
      {
        extends: true,
        test: {
          name: 'postgres',
          include: [...onServers, ...onBoth],
          env: { BANYAN_TEST_ENGINE: 'postgres' },
          globalSetup: ['src/testing/global-setup.ts'],
        },
      },
    ],
  },
});
