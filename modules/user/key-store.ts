import { desc, sql } from 'drizzle-orm';
import type { JWK } from 'jose';
import type { Database } from '#platform/database/database';
import { isoTime } from '#platform/database/sql';
import { invariant } from '#platform/errors';
import { KEY_AGING_SECONDS, KEY_RETIRE_SECONDS } from './limits.ts';
import { signingKey } from './schema.ts';

export interface KeyPair {
  readonly kid: string;
  readonly publicJwk: JWK;
  readonly privateJwk: JWK;
}

/**
 * Stores the shop's first key, which signs at once, unless there is any. The unique rotation id is the lock: of
 * several starting processes one inserts it and the others do nothing.
 */
export async function insertFirstKey(database: Database, rotationId: string, key: KeyPair): Promise<void> {
  await database.rows(sql`
    insert into users.signing_key (kid, rotation_id, public_jwk, private_jwk, signs_from)
    select ${key.kid}::text, ${rotationId}::uuid, ${JSON.stringify(key.publicJwk)}::text::jsonb,
      ${JSON.stringify(key.privateJwk)}::text::jsonb, now()
    where not exists (select 1 from users.signing_key)
    on conflict (rotation_id) do nothing`);
}

/** Stores the key of this rotation, unless it was done before; returns the rotation's key. */
export async function insertNextKey(
  database: Database,
  rotationId: string,
  key: KeyPair,
): Promise<{ kid: string; signsFrom: string }> {
  const publicJwk = JSON.stringify(key.publicJwk);
  const privateJwk = JSON.stringify(key.privateJwk);
  await database.rows(sql`
    insert into users.signing_key (kid, rotation_id, public_jwk, private_jwk, signs_from)
    values (${key.kid}::text, ${rotationId}::uuid, ${publicJwk}::text::jsonb, ${privateJwk}::text::jsonb,
      now() + make_interval(secs => ${KEY_AGING_SECONDS}::int))
    on conflict (rotation_id) do nothing`);
  const [rotation] = await database.rows<{ kid: string; signsFrom: string }>(sql`
    select kid, ${isoTime(sql`signs_from`)} as "signsFrom"
    from users.signing_key where rotation_id = ${rotationId}::uuid`);
  invariant(rotation, 'a rotation has its key');
  return rotation;
}

/**
 * The key that signs now: the newest whose time has come. Should an operator have deleted that one, the next to
 * come signs early rather than none.
 */
export async function findSigningKey(database: Database): Promise<{ kid: string; privateJwk: JWK }> {
  const [key] = await database.rows<{ kid: string; privateJwk: JWK }>(sql`
    select kid, private_jwk as "privateJwk" from users.signing_key
    order by signs_from <= now() desc, abs(extract(epoch from now() - signs_from)) limit 1`);
  invariant(key, 'the start has made a signing key');
  return key;
}

/** All public keys, newest first. */
export async function findPublicKeys(database: Database): Promise<JWK[]> {
  const keys = await database.db
    .select({ publicJwk: signingKey.publicJwk })
    .from(signingKey)
    .orderBy(desc(signingKey.signsFrom));
  return keys.map((key) => key.publicJwk as JWK);
}

/** Deletes the keys whose successor has signed for so long that no token of theirs can be valid. */
export async function deleteRetiredKeys(database: Database): Promise<void> {
  await database.rows(sql`
    delete from users.signing_key k where exists (
      select 1 from users.signing_key newer
      where newer.signs_from > k.signs_from
        and newer.signs_from <= now() - make_interval(secs => ${KEY_RETIRE_SECONDS}::int))`);
}
