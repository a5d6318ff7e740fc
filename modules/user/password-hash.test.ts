import { describe, expect, it } from 'vitest';
import { formatPasswordHash, NOBODYS_HASH, parsePasswordHash } from './password-hash.ts';
import { createPasswords } from './passwords.ts';

const passwords = createPasswords({ atOnce: 2, queue: 10 });

describe('a stored password', () => {
  it('is argon2id in PHC form with the settings of docs/invariants.md', async () => {
    const stored = await passwords.hash('correct horse');
    expect(stored).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
    expect(formatPasswordHash(parsePasswordHash(stored))).toBe(stored);
  });

  it('matches its password and no other', async () => {
    const stored = await passwords.hash('correct horse');
    expect(await passwords.matches(stored, 'correct horse')).toBe(true);
    expect(await passwords.matches(stored, 'correct horsf')).toBe(false);
  });

  it('is salted, so that equal passwords do not show', async () => {
    expect(await passwords.hash('correct horse')).not.toBe(await passwords.hash('correct horse'));
  });

  it('matches however the keyboard composes a letter', async () => {
    const stored = await passwords.hash('cafe\u0301 au lait');
    expect(await passwords.matches(stored, 'caf\u00e9 au lait')).toBe(true);
  });

  it('agrees with another implementation of argon2id', async () => {
    // Made by the reference implementation (argon2 20190702): echo -n password | argon2 somesalt -id -t 2 -m 16 -p 1
    const reference =
      '$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc';
    expect(await passwords.matches(reference, 'password')).toBe(true);
  });

  it('of nobody costs as much and matches nothing', async () => {
    expect(NOBODYS_HASH).toContain('$m=19456,t=2,p=1$');
    expect(await passwords.matches(NOBODYS_HASH, '')).toBe(false);
  });
});

describe('hashing under load', () => {
  it('lets a bounded number wait, refuses the rest with 503, and is whole again afterwards', async () => {
    const small = createPasswords({ atOnce: 1, queue: 2 });
    const results = await Promise.allSettled(
      Array.from({ length: 5 }, () => small.matches(NOBODYS_HASH, 'x')),
    );
    expect(results.map((result) => result.status)).toEqual([
      'fulfilled',
      'fulfilled',
      'fulfilled',
      'rejected',
      'rejected',
    ]);
    expect(results[4]).toMatchObject({ reason: { kind: 'unavailable', code: 'overloaded' } });
    expect(await small.matches(NOBODYS_HASH, 'x')).toBe(false);
  });
});
