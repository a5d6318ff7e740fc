import { createHash } from 'node:crypto';
import type { Config } from '../config.ts';

/**
 * What all processes of one shop share and no other shop has: a short hash of where its data is. Keys and channels
 * in Redis begin with it, so that several shops can share one. It holds no login, which may differ by process.
 */
export function shopIdOf(config: Pick<Config, 'database' | 'dataDir'>): string {
  return createHash('sha256').update(placeOf(config)).digest('base64url').slice(0, 16);
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
