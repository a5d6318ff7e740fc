import { DATA_DIR, PORT, type RenderedProcess } from '../processes.ts';
import type { SecretUse } from '../secrets.ts';
import { confined, type Scope, type Service } from './scope.ts';
import { databaseOf, databaseUrl, REDIS_URL } from './servers.ts';
import { needed, optional } from './variables.ts';

const publicPort = {
  target: PORT,
  published: optional('SHOP_PORT', '8080'),
  host_ip: optional('SHOP_ADDRESS', '0.0.0.0'),
};

const healthy = { condition: 'service_healthy' };

/** One process of the placement; Compose runs as many as the placement says, all under its name. */
export function processService(scope: Scope, process: RenderedProcess): Service {
  const { placed, secrets } = process;
  const databases = secrets.map(({ name }) => name).filter((name) => name.endsWith('DATABASE_URL'));
  const sendsMail = secrets.some(({ name }) => name === 'SMTP_URL');
  return {
    image: scope.image,
    depends_on: {
      ...(databases.length === 0 ? {} : { migrate: { condition: 'service_completed_successfully' } }),
      ...Object.fromEntries(
        databases
          .map(databaseOf)
          .sort()
          .map((name) => [name, healthy]),
      ),
      redis: healthy,
    },
    // Mail, while there is no SMTP_URL.
    ...(sendsMail ? { volumes: [`files:${DATA_DIR}`] } : {}),
    environment: {
      ...process.settings,
      ...settingsFor(scope, process, sendsMail),
      ...Object.fromEntries(secrets.map((secret) => [secret.name, secretValue(secret)])),
    },
    ...(placed.public ? { ports: [publicPort] } : {}),
    networks: ['data', ...(placed.public || sendsMail ? ['outside'] : [])],
    restart: 'unless-stopped',
    healthcheck: {
      // It comes with the image, and asks the operations port, which has no TLS.
      test: ['CMD', 'node', '/app/deploy/healthcheck.ts'],
      interval: '5s',
      timeout: '5s',
      retries: 3,
      start_period: '60s',
    },
    ...confined(['/tmp', ...(sendsMail ? [] : [DATA_DIR])], placed.replicas),
  };
}

/** What `.env` may set: for all processes, and what only the edge and the sender of mail read. */
function settingsFor(scope: Scope, { placed }: RenderedProcess, sendsMail: boolean): Record<string, string> {
  const defaults: Record<string, string> = {
    LOG_LEVEL: 'info',
    OTEL_EXPORTER_OTLP_ENDPOINT: '',
    ...(placed.public ? { CORS_ORIGINS: '', RATE_LIMIT: '', TRUSTED_PROXIES: '' } : {}),
    ...(sendsMail ? { MAIL_FROM: '' } : {}),
    ...scope.defaults,
  };
  return Object.fromEntries(Object.entries(defaults).map(([name, value]) => [name, optional(name, value)]));
}

/** From `.env`, save the addresses of the servers in the file itself. */
function secretValue({ name, isNeeded }: SecretUse): string {
  if (name.endsWith('DATABASE_URL')) return databaseUrl(name);
  if (name === 'REDIS_URL') return REDIS_URL;
  if (name === 'SERVICE_SECRET' && isNeeded) return needed(name, '32 characters or more');
  if (name === 'ADMIN_EMAIL') return needed(name);
  if (name === 'ADMIN_PASSWORD') return needed(name, '8 characters or more');
  return optional(name);
}
