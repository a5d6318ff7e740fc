import { currentContext } from '#platform/context';
import type { AppError } from '#platform/errors';
import { problemAnswer } from '#platform/http/problem';
import type { Answer } from '#platform/http/route';
import { newTrace } from '#platform/telemetry/trace-context';

/**
 * A refusal as a stored answer, made in the transaction that ends a saga: `path` is the route's, below the base.
 * A saga runs with its request's trace, so the stored problem leads to the request that was refused.
 */
export function refusal(error: AppError, path: string): Answer {
  const { traceId } = currentContext() ?? newTrace();
  return problemAnswer(error, { instance: `/api/v1${path}`, traceId });
}
