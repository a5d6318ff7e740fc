import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { isAppError } from '#platform/errors';
import { createLimiters } from '#platform/redis/limiters';
import { createGuessThrottle, type Guess, type GuessThrottle, waitAfter } from './guess-throttle.ts';
import { FREE_GUESSES, FREE_STRANGERS_GUESSES } from './limits.ts';

const DAY_SECONDS = 24 * 60 * 60;

const never = async () => false;
const wrong = async () => undefined;

function newThrottle(): GuessThrottle {
  return createGuessThrottle(createLimiters(undefined, 'test'));
}

function guess(changes: Partial<Guess<string>>): Guess<string> {
  return { account: 'anna@example.com', client: '192.0.2.1', isFamiliar: never, check: wrong, ...changes };
}

/** Guesses as often as it is let for `seconds`, waiting as told; returns how many guesses were checked. */
async function guessFor(seconds: number, next: () => Promise<unknown>): Promise<number> {
  let checked = 0;
  let at = 0;
  while (at < seconds) {
    const waitSeconds = await next().then(
      () => 0,
      (error: unknown) => {
        if (!isAppError(error, 'rate_limited')) throw error;
        return error.retryAfterSeconds ?? 0;
      },
    );
    if (waitSeconds === 0) checked += 1;
    at += waitSeconds;
    await vi.advanceTimersByTimeAsync(waitSeconds * 1000);
  }
  return checked;
}

// The limiter's counters expire by timers of its own, so the test holds the clock for it.
beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('the wait', () => {
  it('doubles with each miss past the free ones, up to its bound', () => {
    const waits = [1, 4, 5, 6, 7, 14, 15, 1000].map((misses) => waitAfter(misses, 5, 900));
    expect(waits).toEqual([0, 0, 1, 2, 4, 512, 900, 900]);
  });
});

describe('a guesser from one address', () => {
  it('has little over a hundred tries a day on one account', async () => {
    const throttle = newThrottle();
    const checked = await guessFor(DAY_SECONDS, () => throttle(guess({})));
    expect(checked).toBeGreaterThan(FREE_GUESSES);
    expect(checked).toBeLessThan(120);
  });

  it('gains nothing by a thousand guesses at once', async () => {
    const throttle = newThrottle();
    const check = vi.fn(wrong);
    const results = await Promise.allSettled(Array.from({ length: 1000 }, () => throttle(guess({ check }))));
    expect(check).toHaveBeenCalledTimes(FREE_GUESSES);
    expect(results.filter((result) => result.status === 'rejected')).toHaveLength(1000 - FREE_GUESSES);
  });

  it('does not keep the owner out elsewhere', async () => {
    const throttle = newThrottle();
    await guessFor(3600, () => throttle(guess({})));
    expect(await throttle(guess({ client: '198.51.100.7', check: async () => 'in' }))).toBe('in');
  });

  it('keeps the owner at the same address waiting for a bounded time only', async () => {
    const throttle = newThrottle();
    await guessFor(3600, () => throttle(guess({})));
    await throttle(guess({}));
    const refused = await throttle(guess({ check: async () => 'in' })).catch((error: unknown) => error);
    expect(refused).toMatchObject({ kind: 'too_many', code: 'rate_limited' });
    await vi.advanceTimersByTimeAsync(900_000);
    expect(await throttle(guess({ check: async () => 'in' }))).toBe('in');
  });

  it('slows down nobody else', async () => {
    const throttle = newThrottle();
    await guessFor(3600, () => throttle(guess({})));
    expect(await throttle(guess({ account: 'ben@example.com', check: async () => 'in' }))).toBe('in');
  });
});

describe('guessers from many addresses', () => {
  async function attack(throttle: GuessThrottle, seconds: number): Promise<number> {
    let address = 0;
    return await guessFor(seconds, () => throttle(guess({ client: `attacker ${++address}` })));
  }

  it('are slowed down together', async () => {
    const checked = await attack(newThrottle(), DAY_SECONDS);
    expect(checked).toBeGreaterThan(FREE_STRANGERS_GUESSES);
    expect(checked).toBeLessThan(400);
  });

  it('do not keep the owner out where they signed in before', async () => {
    const throttle = newThrottle();
    await attack(throttle, 3600);
    await throttle(guess({ client: 'one more' }));
    const owner = guess({ client: 'home', check: async () => 'in' });
    await expect(throttle(owner)).rejects.toMatchObject({ code: 'rate_limited' });
    expect(await throttle({ ...owner, isFamiliar: async () => true })).toBe('in');
  });
});

describe('an owner', () => {
  it('starts afresh after signing in', async () => {
    const throttle = newThrottle();
    for (let round = 0; round < 5; round += 1) {
      for (let miss = 1; miss < FREE_GUESSES; miss += 1) await throttle(guess({}));
      expect(await throttle(guess({ check: async () => 'in' }))).toBe('in');
    }
  });

  it('may sign in many times at once', async () => {
    const throttle = newThrottle();
    const tries = Array.from({ length: 40 }, () => throttle(guess({ check: async () => 'in' })));
    expect(await Promise.all(tries)).toEqual(Array(40).fill('in'));
  });

  it('is not throttled by a check that fails for another reason', async () => {
    const throttle = newThrottle();
    const check = () => Promise.reject(new Error('no database'));
    for (let round = 0; round < 20; round += 1) await throttle(guess({ check })).catch(() => undefined);
    expect(await throttle(guess({ check: async () => 'in' }))).toBe('in');
  });
});
