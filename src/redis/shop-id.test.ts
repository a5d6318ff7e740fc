import { describe, expect, it } from 'vitest';
import type { DatabaseConfig } from '../config.ts';
import { shopIdOf } from './shop-id.ts';

function onPostgres(url: string | undefined, moduleUrls: DatabaseConfig['moduleUrls'] = {}): string {
  return shopIdOf({
    serviceSecret: undefined,
    dataDir: '/data',
    database: { url, moduleUrls, poolMax: 20, pooler: 'none' },
  });
}

const URL_A = 'postgres://db.internal:5432/shop';

describe('the id of a shop', () => {
  it('is the same for every login, and whether or not the port is named', () => {
    for (const url of [
      'postgres://ann:secret@db.internal/shop',
      'postgresql://DB.internal:5432/shop?ssl=1',
    ]) {
      expect(onPostgres(url)).toBe(onPostgres(URL_A));
    }
  });

  it('differs by server, by port and by database', () => {
    const others = [
      'postgres://db2.internal/shop',
      'postgres://db.internal:5433/shop',
      'postgres://db.internal/x',
    ];
    expect(new Set([URL_A, ...others].map((url) => onPostgres(url))).size).toBe(4);
  });

  it('goes by the folder of an embedded database', () => {
    const inFolder = (dataDir: string) =>
      shopIdOf({ serviceSecret: undefined, database: undefined, dataDir });
    expect(inFolder('/data/a')).toBe(inFolder('/data/a'));
    expect(inFolder('/data/a')).not.toBe(inFolder('/data/b'));
  });

  it('goes by the secret that the processes of a split shop share, wherever each has its data', () => {
    const known = (serviceSecret: string, dataDir: string) =>
      shopIdOf({ serviceSecret, database: undefined, dataDir });
    expect(known('one secret', '/data/a')).toBe(known('one secret', '/data/b'));
    expect(known('one secret', '/data/a')).not.toBe(known('another', '/data/a'));
    expect(known('one secret', '/data/a')).not.toContain('secret');
  });

  it('goes by the databases of all modules when there is none in common, in whatever order they are named', () => {
    const [user, order] = ['postgres://db/users', 'postgres://db/orders'];
    expect(onPostgres(undefined, { user, order })).toBe(onPostgres(undefined, { order, user }));
    expect(onPostgres(undefined, { user, order })).not.toBe(onPostgres(undefined, { user, order: user }));
    expect(onPostgres(URL_A, { user })).toBe(onPostgres(URL_A));
  });

  it('is a short word that holds no part of a URL', () => {
    expect(onPostgres('postgres://ann:secret@db.internal/shop')).toMatch(/^[\w-]{16}$/);
  });
});
