import { timingSafeEqual } from 'node:crypto';
import { invariant } from '#platform/errors';
import { ARGON2_LANES, ARGON2_MEMORY_KIB, ARGON2_PASSES } from './limits.ts';

/** What argon2id is given and what it made of it. */
export interface PasswordHash {
  readonly memoryKib: number;
  readonly passes: number;
  readonly lanes: number;
  readonly salt: Uint8Array;
  readonly tag: Uint8Array;
}

const FORM = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/;

/** The PHC string form, by which other software can check these hashes too. */
export function formatPasswordHash(hash: PasswordHash): string {
  const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64').replace(/=+$/, '');
  const settings = `m=${hash.memoryKib},t=${hash.passes},p=${hash.lanes}`;
  return `$argon2id$v=19$${settings}$${base64(hash.salt)}$${base64(hash.tag)}`;
}

/** Reads what `formatPasswordHash` wrote, with the settings of its own time. */
export function parsePasswordHash(text: string): PasswordHash {
  const [, memory, passes, lanes, salt = '', tag = ''] = FORM.exec(text) ?? [];
  invariant(memory !== undefined, 'a stored password hash is argon2id in PHC form');
  return {
    memoryKib: Number(memory),
    passes: Number(passes),
    lanes: Number(lanes),
    salt: Buffer.from(salt, 'base64'),
    tag: Buffer.from(tag, 'base64'),
  };
}

export function sameTag(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

/** Costs as much to check as any other and matches no password: stands in where there is no account. */
export const NOBODYS_HASH = formatPasswordHash({
  memoryKib: ARGON2_MEMORY_KIB,
  passes: ARGON2_PASSES,
  lanes: ARGON2_LANES,
  salt: new Uint8Array(16),
  tag: new Uint8Array(32),
});
