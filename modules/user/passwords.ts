import { argon2, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { AppError } from '#platform/errors';
import { ARGON2_LANES, ARGON2_MEMORY_KIB, ARGON2_PASSES } from './limits.ts';
import { formatPasswordHash, type PasswordHash, parsePasswordHash, sameTag } from './password-hash.ts';

export interface Passwords {
  /** A hash to store, with a salt of its own. Fails with `overloaded` (unavailable) when too many wait. */
  hash(password: string): Promise<string>;
  /** Whether `password` is the one behind a stored hash. Fails with `overloaded` (unavailable) alike. */
  matches(stored: string, password: string): Promise<boolean>;
}

const runArgon2 = promisify(argon2);

/**
 * Hashes passwords with argon2id, the runtime's own, off the event loop. Each hash takes 19 MiB and a core for
 * 45 ms, so only `atOnce` run at a time and `queue` more may wait: a flood of sign-ins ends in 503, not in an
 * exhausted machine.
 */
export function createPasswords(bounds: { atOnce: number; queue: number }): Passwords {
  let running = 0;
  const waiting: (() => void)[] = [];

  async function inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (running < bounds.atOnce) running += 1;
    else if (waiting.length >= bounds.queue) throw overloaded();
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await work();
    } finally {
      // The place goes straight to the next in line, so that nobody slips in between.
      const next = waiting.shift();
      if (next) next();
      else running -= 1;
    }
  }

  async function tagOf(
    password: string,
    settings: Omit<PasswordHash, 'tag'>,
    length: number,
  ): Promise<Buffer> {
    return await inTurn(() =>
      runArgon2('argon2id', {
        // Keyboards differ in how they compose the same letter.
        message: password.normalize('NFKC'),
        nonce: settings.salt,
        memory: settings.memoryKib,
        passes: settings.passes,
        parallelism: settings.lanes,
        tagLength: length,
      }),
    );
  }

  return {
    async hash(password) {
      const settings = {
        memoryKib: ARGON2_MEMORY_KIB,
        passes: ARGON2_PASSES,
        lanes: ARGON2_LANES,
        salt: randomBytes(16),
      };
      return formatPasswordHash({ ...settings, tag: await tagOf(password, settings, 32) });
    },
    async matches(stored, password) {
      const hash = parsePasswordHash(stored);
      return sameTag(hash.tag, await tagOf(password, hash, hash.tag.length));
    },
  };
}

function overloaded(): AppError {
  return new AppError('unavailable', 'overloaded', 'too many people are signing in at this moment', {
    retryAfterSeconds: 3,
  });
}
