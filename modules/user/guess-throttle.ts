import { rateLimited, secondsLeft } from '#platform/http/rate-limit';
import type { Limiters } from '#platform/redis/limiters';
import {
  FREE_GUESSES,
  FREE_STRANGERS_GUESSES,
  GUESS_QUEUE,
  GUESS_WAIT_MAX_SECONDS,
  GUESS_WINDOW_SECONDS,
  STRANGERS_WAIT_MAX_SECONDS,
} from './limits.ts';

export interface Guess<T> {
  /** Whose password is tried: an account's name for the throttle, known to us or not. */
  readonly account: string;
  /** From where, as `clientPrefix` gives it. */
  readonly client: string;
  /** Whether the account was signed in from there before; asked only when strangers have to wait. */
  readonly isFamiliar: () => Promise<boolean>;
  /** Checks the password: undefined is a miss. */
  readonly check: () => Promise<T | undefined>;
}

/** See `createGuessThrottle`. */
export type GuessThrottle = <T>(guess: Guess<T>) => Promise<T | undefined>;

/** Seconds until the next try after `misses` of them: none at first, then 1, 2, 4 and so on up to `maxSeconds`. */
export function waitAfter(misses: number, free: number, maxSeconds: number): number {
  return misses < free ? 0 : Math.min(maxSeconds, 2 ** Math.min(misses - free, 30));
}

/**
 * Slows down whoever guesses passwords, per account: by the address the guesses come from, and by all addresses
 * together that the account was never signed in from. So an owner who is under attack still gets in from where
 * they have been before, and from elsewhere has to wait for minutes at most. Fails with `rate_limited` (429)
 * without checking anything while there is something to wait for.
 *
 * Tries of one account run one after the other: a thousand at once would otherwise all pass before the first
 * miss is counted. The line is this process's own, while the counts are shared: with several processes, as many
 * guesses can pass at once.
 */
export function createGuessThrottle(limiters: Limiters): GuessThrottle {
  const fromClient = createMisses(limiters, 'client', FREE_GUESSES, GUESS_WAIT_MAX_SECONDS);
  const fromStrangers = createMisses(
    limiters,
    'strangers',
    FREE_STRANGERS_GUESSES,
    STRANGERS_WAIT_MAX_SECONDS,
  );
  const inTurn = createTurns();

  return async ({ account, client, isFamiliar, check }) => {
    const pair = `${account} ${client}`;
    // Before the line too, so that a guesser who has to wait does not keep the owner waiting.
    await fromClient.refuse(pair);
    return await inTurn(account, async () => {
      await fromClient.refuse(pair);
      const strangersWait = await fromStrangers.waitSeconds(account);
      if (strangersWait > 0 && !(await isFamiliar())) throw rateLimited(strangersWait);
      const result = await check();
      if (result !== undefined) {
        await fromClient.forget(pair);
      } else {
        await fromClient.add(pair);
        await fromStrangers.add(account);
      }
      return result;
    });
  };
}

/** Counts misses by key and says how long each key has to wait. */
function createMisses(limiters: Limiters, name: string, free: number, maxSeconds: number) {
  const misses = limiters.limiter({
    name: `guess-misses-${name}`,
    points: free,
    seconds: GUESS_WINDOW_SECONDS,
  });
  const waits = limiters.limiter({ name: `guess-waits-${name}`, points: 1, seconds: maxSeconds });

  async function waitSeconds(key: string): Promise<number> {
    const wait = await waits.read(key);
    return wait === undefined ? 0 : secondsLeft(wait);
  }

  return {
    waitSeconds,
    async refuse(key: string): Promise<void> {
      const seconds = await waitSeconds(key);
      if (seconds > 0) throw rateLimited(seconds);
    },
    async add(key: string): Promise<void> {
      const { counted } = await misses.add(key);
      const seconds = waitAfter(counted, free, maxSeconds);
      if (seconds > 0) await waits.block(key, seconds);
    },
    async forget(key: string): Promise<void> {
      await misses.forget(key);
      await waits.forget(key);
    },
  };
}

/** Runs work one at a time per key, in order; past GUESS_QUEUE of one key fails with `rate_limited`. */
function createTurns() {
  const lines = new Map<string, { last: Promise<unknown>; length: number }>();
  return async <T>(key: string, work: () => Promise<T>): Promise<T> => {
    const line = lines.get(key) ?? { last: Promise.resolve(), length: 0 };
    if (line.length >= GUESS_QUEUE) throw rateLimited(1);
    lines.set(key, line);
    line.length += 1;
    const turn = line.last.then(work);
    line.last = turn.catch(() => undefined);
    try {
      return await turn;
    } finally {
      line.length -= 1;
      if (line.length === 0) lines.delete(key);
    }
  };
}
