import {
  type ApiAnswer,
  type ApiClient,
  createApiClient,
  ShopUnavailable,
} from '../src/commands/api-client.ts';
import { sleep, withDeadline } from '../src/deadline.ts';
import { isAppError } from '../src/errors.ts';

/** Between two tries; a process that is down refuses at once, so that the next one is asked soon. */
const BACKOFF_MS = 50;
const BACKOFF_MAX_MS = 1_000;

/** One try of a request. */
export interface Attempt {
  readonly method: string;
  readonly path: string;
  /** Which try of its request this was, from 1. */
  readonly number: number;
  readonly startedMs: number;
  readonly durationMs: number;
  /** The status, or why there was none, as `ECONNRESET`. */
  readonly outcome: string;
}

export interface RotatingClient extends ApiClient {
  /** Tries that got no final answer. */
  readonly retries: number;
}

/**
 * A client of several processes: each request goes to the next one in turn, each further try of it to another one, until there is a final answer or the patience
 * for this request is over. A try that takes longer than `attemptMs` is left to itself. Only for what is safe to send
 * twice.
 */
export function createRotatingClient(
  urls: readonly string[],
  options: { patienceMs: number; attemptMs: number; onAttempt?: (attempt: Attempt) => void },
): RotatingClient {
  const clients = urls.map((url) => createApiClient(url, 0));
  let turn = 0;
  let retries = 0;

  return {
    get retries() {
      return retries;
    },
    async request(method, path, request) {
      const giveUpAt = performance.now() + options.patienceMs;
      const first = turn++;
      for (let attempts = 1; ; attempts += 1) {
        const client = clients[(first + attempts - 1) % clients.length]!;
        const startedMs = performance.now();
        const note = (outcome: string) =>
          options.onAttempt?.({
            method,
            path,
            number: attempts,
            startedMs,
            durationMs: performance.now() - startedMs,
            outcome,
          });
        try {
          const answer: ApiAnswer = await withDeadline(
            client.request(method, path, request),
            options.attemptMs,
            'the shop',
          );
          note(String(answer.status));
          return answer;
        } catch (error) {
          const isLate = isAppError(error, 'timeout');
          if (!isLate && !(error instanceof ShopUnavailable)) throw error;
          note(isLate ? 'timeout' : reasonOf(error.cause));
          retries += 1;
          const waitMs = Math.min(BACKOFF_MAX_MS, BACKOFF_MS * 2 ** (attempts - 1));
          if (performance.now() + waitMs > giveUpAt)
            throw isLate ? new ShopUnavailable(`${method} ${path}: no answer`, { cause: error }) : error;
          await sleep(waitMs);
        }
      }
    },
  };
}

function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  const inner = cause.cause instanceof Error ? cause.cause : cause;
  return (inner as NodeJS.ErrnoException).code ?? inner.name;
}
