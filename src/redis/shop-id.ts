import { createHash } from 'node:crypto';
import type { Config } from '../config.ts';

/**
 * What all processes of one shop share and no other shop has: a short hash of the secret by which they know each
 * other, or without one of where the data is. Keys and channels in Redis begin with it, so that several shops can
 * share one. With a database for each module, processes of one shop know different places, but one secret.
 */
export function shopIdOf(config: Pick<Config, 'database' | 'dataDir' | 'serviceSecret'>): string {
  const { serviceSecret } = config;
  const shared = serviceSecret === undefined ? placeOf(config) : `secret ${serviceSecret}`;
  return createHash('sha256').update(shared).digest('base64url').slice(0, 16);
}

function placeOf({ database, dataDir }: Pick<Config, 'database' | 'dataDir'>): string {
  if (database === undefined) return dataDir;
  const urls = database.url === undefined ? Object.values(database.moduleUrls) : [database.url];
  const places = urls.map((text) => {
    const { hostname, port, pathname } = new URL(text);
    return `${hostname.toLowerCase()}:${port || '5432'}${pathname}`;
  });
  return places.sort().join(' ');
}
