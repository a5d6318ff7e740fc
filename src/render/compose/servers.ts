import { SPARE_CONNECTIONS, USUAL_CONNECTIONS } from '../limits.ts';
import { DATA_DIR, type RenderedProcess } from '../processes.ts';
import { connectionsOf } from '../replicas.ts';
import { confined, type Scope, type Service } from './scope.ts';
import { needed } from './variables.ts';

export const REDIS_URL = 'redis://redis:6379';
// It stands in URLs.
const PASSWORD = needed('POSTGRES_PASSWORD', 'letters and digits');

/** The service that a database setting leads to: `USER_DATABASE_URL` → `postgres-user`. */
export function databaseOf(setting: string): string {
  return ['postgres', ...setting.toLowerCase().split('_').slice(0, -2)].join('-');
}

/** The owner's login; in a database that all share, it makes a login for each module, and the modules use those. */
export function databaseUrl(setting: string): string {
  return `postgres://banyan:${PASSWORD}@${databaseOf(setting)}:5432/banyan`;
}

/** A Postgres with room for the connections of all processes that this setting leads there. */
export function postgres(setting: string, scope: Scope, processes: readonly RenderedProcess[]): Service {
  const name = databaseOf(setting);
  const users = processes.filter(({ secrets }) => secrets.some((secret) => secret.name === setting));
  const wanted = SPARE_CONNECTIONS + connectionsOf(users, scope.defaults, ({ replicas }) => replicas);
  return {
    image: 'postgres:17.6-bookworm',
    volumes: [`${name}:/var/lib/postgresql/data`],
    environment: { POSTGRES_USER: 'banyan', POSTGRES_PASSWORD: PASSWORD, POSTGRES_DB: 'banyan' },
    networks: ['data'],
    ...(wanted > USUAL_CONNECTIONS ? { command: ['postgres', '-c', `max_connections=${wanted}`] } : {}),
    restart: 'unless-stopped',
    healthcheck: {
      // By TCP: while the image sets up a new database, its server listens on a socket only.
      test: ['CMD', 'pg_isready', '--host=127.0.0.1', '--username=banyan', '--dbname=banyan'],
      interval: '5s',
      timeout: '5s',
      retries: 5,
      start_period: '60s',
    },
    // Time for the last checkpoint.
    stop_grace_period: '60s',
  };
}

/** What waits in queues survives a crash, and is never thrown out for want of memory. */
export const redis: Service = {
  image: 'redis:7.4.6-bookworm',
  volumes: ['redis:/data'],
  networks: ['data'],
  command: ['redis-server', '--appendonly', 'yes', '--maxmemory-policy', 'noeviction'],
  restart: 'unless-stopped',
  healthcheck: {
    // While it loads its file, it answers with an error, and redis-cli ends with 0 all the same.
    test: ['CMD-SHELL', 'redis-cli ping | grep -q PONG'],
    interval: '5s',
    timeout: '5s',
    retries: 5,
    start_period: '60s',
  },
};

/** Brings the databases up to date and ends; the processes wait for it. */
export function migration(scope: Scope, databases: readonly string[]): Service {
  return {
    image: scope.image,
    depends_on: Object.fromEntries(
      databases
        .map(databaseOf)
        .sort()
        .map((name) => [name, { condition: 'service_healthy' }]),
    ),
    environment: {
      DATA_DIR,
      ...Object.fromEntries(databases.map((name) => [name, databaseUrl(name)])),
    },
    networks: ['data'],
    command: ['migrate'],
    restart: 'on-failure',
    ...confined(['/tmp', DATA_DIR]),
  };
}
