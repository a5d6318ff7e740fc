import { randomBytes } from 'node:crypto';
import type { Finding } from '../audit.ts';
import type { Config } from '../config.ts';
import type { Logger } from '../telemetry/log.ts';
import { findRunningShop } from './control-client.ts';
import { loadShop } from './load-shop.ts';
import { holdsShop } from './operate.ts';
import type { Credentials } from './session.ts';
import { print } from './terminal.ts';

/** The shop that a command talks to over HTTP. */
export interface TargetShop {
  readonly url: string;
  /** Whether it runs in this process, for as long as the command does. */
  readonly inProcess: boolean;
  /** The admin that is known of it. */
  readonly admin: Credentials | undefined;
  stop(): Promise<void>;
}

/** A shop that this process runs. */
export interface OwnShop extends TargetShop {
  readonly inProcess: true;
  audit(): AsyncIterable<Finding>;
}

/**
 * Takes the shop at `url`, else the one that runs on DATA_DIR, else opens the configured database in this process.
 */
export async function reachShop(config: Config, log: Logger, url?: string): Promise<TargetShop> {
  const runsHere = url === undefined && config.database === undefined;
  const known = runsHere ? (await findRunningShop(config.dataDir))?.url : url;
  if (known === undefined) return await startOwnShop(config, log);
  return { url: known, inProcess: false, admin: config.admin, stop: async () => undefined };
}

/** An admin whom nobody can guess. */
export function inventAdmin(): Credentials {
  return { email: 'admin@example.com', password: randomBytes(18).toString('base64url') };
}

/**
 * Runs a shop in this process on a free port, reachable from this machine only and without a rate limit. In a
 * folder that has no shop yet an admin is made, whose password is printed since nobody else will ever know it; on
 * Postgres the admin is the configured one.
 */
export async function startOwnShop(config: Config, log: Logger): Promise<OwnShop> {
  const isNew = config.database === undefined && !holdsShop(config.dataDir);
  const made = isNew && config.admin === undefined;
  const admin = made ? inventAdmin() : config.admin;
  const { createShop } = await loadShop();
  const shop = await createShop({
    config: {
      ...config,
      admin,
      host: '127.0.0.1',
      port: 0,
      opsHost: '127.0.0.1',
      opsPort: 0,
      roles: ['http', 'worker'],
      rateLimit: undefined,
      // Its only client is this process, which would not find this machine's address in the certificate.
      tls: undefined,
      drainMs: 0,
    },
    log,
  });
  const { url } = await shop.start();
  if (made) print(`new shop in ${config.dataDir}, admin ${admin?.email}, password ${admin?.password}`);
  return { url, inProcess: true, admin, audit: () => shop.audit(), stop: () => shop.stop() };
}
