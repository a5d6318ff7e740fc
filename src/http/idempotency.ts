import type { Transaction } from '../database/database.ts';
import { AppError } from '../errors.ts';
import type { Answer } from './route.ts';

/** One request's use of an Idempotency-Key: scoped to user and route, bound to the body by its fingerprint. */
export interface IdempotencyClaim {
  readonly userId: string;
  /** Method and path pattern, as `POST /orders`. */
  readonly route: string;
  readonly key: string;
  /** SHA-256 over the concrete path and the body's bytes. */
  readonly fingerprint: string;
}

/** What is known of a key. */
export type Remembered =
  | { readonly state: 'answered'; readonly answer: Answer; readonly resourceId: string | null }
  /** Claimed by work that has not ended: a saga is under way, or its process died. */
  | { readonly state: 'claimed'; readonly resourceId: string };

/**
 * The keys of one module, in its own schema, so that an answer is stored in the transaction of its effect.
 * All functions take `undefined` for "the client sent no key" and then only do the work.
 */
export interface Idempotency {
  /**
   * For work that is one transaction: runs it and stores its answer in that same transaction, or replays the
   * answer of an earlier request. Fails with `idempotency_key_reused` (422) when the body differs and
   * `idempotency_key_in_flight` (409) when the first is still running.
   */
  once(claim: IdempotencyClaim | undefined, work: (tx: Transaction) => Promise<Answer>): Promise<Answer>;
  /** Looks the key up. Fails with `idempotency_key_reused` when the body differs. */
  find(claim: IdempotencyClaim | undefined): Promise<Remembered | undefined>;
  /**
   * For work of several steps: takes the key in the first step's transaction and names the resource by which a
   * repeat finds the work again. Fails with `idempotency_key_in_flight` when somebody else was quicker.
   */
  claim(tx: Transaction, claim: IdempotencyClaim | undefined, resourceId: string): Promise<void>;
  /** Stores the final answer under the key, in the transaction that ends the work. */
  complete(tx: Transaction, claim: IdempotencyClaim | undefined, answer: Answer): Promise<void>;
  /** Frees the key, for an outcome that the client may ask for anew (503). */
  release(tx: Transaction, claim: IdempotencyClaim | undefined): Promise<void>;
}

/** Marks an answer that was stored earlier: the edge adds `Idempotency-Replayed: true`. */
export function replayed(answer: Answer): Answer {
  return { ...answer, headers: { ...answer.headers, 'idempotency-replayed': 'true' } };
}

/** 409: the key is taken by work that has not ended. */
export function keyInFlight(): AppError {
  return new AppError(
    'conflict',
    'idempotency_key_in_flight',
    'the first request with this key is still running',
    {
      retryAfterSeconds: 1,
    },
  );
}

/**
 * Refuses a write whose `If-Match` names another version than `version` (412 `precondition_failed`). Only the
 * part before the dot counts, so a product's stock moving does not make its ETag stale.
 */
export function requireFresh(ifMatch: readonly string[] | undefined, version: number): void {
  if (ifMatch === undefined) return;
  if (ifMatch.some((etag) => etag.split('.')[0] === String(version))) return;
  throw new AppError('stale', 'precondition_failed', 'the resource has changed since you read it', {
    extra: { currentVersion: version },
  });
}
