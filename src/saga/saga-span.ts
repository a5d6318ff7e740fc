import { currentContext, withOrderOf } from '../context.ts';
import { enter, span } from '../telemetry/trace.ts';
import { parseTrace } from '../telemetry/trace-context.ts';
import type { HeldSaga } from './journal.ts';
import type { SagaReason, SagaStep, StepResult } from './saga.ts';

/**
 * Drives a saga as a span of its request's trace, below the request itself while that drives it. It goes on after the
 * request has ended, so it has the trace but not the deadline.
 */
export async function driveInSpan<T>(saga: HeldSaga, drive: () => Promise<T>): Promise<T> {
  const begun = parseTrace(saga.trace);
  const here = currentContext();
  const parent = here !== undefined && here.traceId === begun?.traceId ? here : begun;
  const context = {
    requestId: here?.requestId ?? `saga-${saga.id}`,
    ids: withOrderOf(saga.data),
  };
  const attributes = {
    'banyan.saga': saga.name,
    'banyan.saga.id': saga.id,
    'banyan.saga.state': saga.state,
    'banyan.attempts': saga.attempts,
  };
  return await enter(`saga ${saga.name}`, { attributes, parent }, context, drive);
}

/** A step that answers "no" is no error; its span says why. */
export async function runStep<Data>(step: SagaStep<Data>, data: Data): Promise<StepResult> {
  return await span(`step ${step.name}`, {}, async (running) => {
    const result = await step.run(data);
    running.set({
      'banyan.step.result': result.state,
      'banyan.step.reason': result.state === 'failed' ? result.reason.code : undefined,
    });
    return result;
  });
}

export async function undoStep<Data>(
  step: SagaStep<Data> | undefined,
  data: Data,
  reason: SagaReason,
): Promise<void> {
  if (step?.undo === undefined) return;
  await span(`undo ${step.name}`, { attributes: { 'banyan.step.reason': reason.code } }, async () =>
    step.undo?.(data, reason),
  );
}
