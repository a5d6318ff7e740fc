/** Every limit of the user module, with its reason. */

import { availableParallelism } from 'node:os';
import { KEYS_STALE_MS } from '#platform/limits';

/** RFC 5321's longest path, less its angle brackets. */
export const EMAIL_LENGTH = 254;
export const USERNAME_LENGTH = 64;
/** docs/api.md. */
export const PASSWORD_MIN_LENGTH = 8;
export const PASSWORD_MAX_LENGTH = 128;

/** OWASP's first choice for argon2id: 19 MiB, two passes, one lane; about 45 ms. */
export const ARGON2_MEMORY_KIB = 19_456;
export const ARGON2_PASSES = 2;
export const ARGON2_LANES = 1;

/** Hashes at once: one a core, and one of libuv's four threads stays free for files and names. */
export const HASHES_AT_ONCE = Math.min(3, availableParallelism());
/** Hashes waiting for their turn; past about three seconds of waiting a caller is better served by 503. */
export const HASH_QUEUE = 150;

/** docs/api.md. */
export const ACCESS_TOKEN_SECONDS = 15 * 60;
/** A session that is not used for this long is over. */
export const SESSION_IDLE_DAYS = 30;
export const REFRESH_TOKEN_BYTES = 32;

/**
 * Wrong passwords of one account from one address before its next try has to wait, and the longest wait, which
 * doubles from one second with each further miss. That leaves a guesser about 110 tries a day.
 */
export const FREE_GUESSES = 5;
export const GUESS_WAIT_MAX_SECONDS = 15 * 60;
/**
 * The same for all addresses together that the account has never been signed in from: more misses are free, as
 * an owner on the move is among them, and waits are shorter, so that the owner is not locked out for long.
 */
export const FREE_STRANGERS_GUESSES = 50;
export const STRANGERS_WAIT_MAX_SECONDS = 5 * 60;
/** Misses are forgotten this long after the first. */
export const GUESS_WINDOW_SECONDS = 24 * 60 * 60;
/** Tries of one account that wait for each other; an owner has no use for more. */
export const GUESS_QUEUE = 50;

/** Clients may keep the key set this long. */
export const JWKS_MAX_AGE_SECONDS = 300;
/** A new key signs only once nobody can still hold a key set without it; five minutes to spare. */
export const KEY_AGING_SECONDS = Math.max(JWKS_MAX_AGE_SECONDS, KEYS_STALE_MS / 1000) + 300;
/** A replaced key goes once its last token has expired; five minutes to spare for clocks that differ. */
export const KEY_RETIRE_SECONDS = ACCESS_TOKEN_SECONDS + 300;

/** Sessions and keys that are over cost nothing but space. */
export const CLEAN_UP_MS = 10 * 60 * 1000;
/** Rows that one statement of a clean-up deletes; bounds its locks. */
export const CLEAN_UP_BATCH = 5_000;
