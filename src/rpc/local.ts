import { uuidv7 } from 'uuidv7';
import { currentContext, runInContext, withOrderOf } from '../context.ts';
import { refuseInsideTransaction } from '../database/scope.ts';
import { withDeadline } from '../deadline.ts';
import { AppError, invariant } from '../errors.ts';
import { CALL_DEPTH, CALL_TIMEOUT_MS } from '../limits.ts';
import { newTrace } from '../telemetry/trace-context.ts';
import type { Api, CallSpec, Contract, Implementation } from './contract.ts';
import { copyValue } from './copy.ts';

/**
 * The local end of a contract: parses both ways, copies values so that no reference leaks between modules, ends
 * by the caller's deadline, and lets only the declared errors pass. So a local call answers as a remote one.
 */
export function createLocalApi<C extends Contract>(contract: C, implementation: Implementation<C>): Api<C> {
  const calls = Object.entries(contract.calls).map(([name, spec]) => {
    const implement = implementation[name] as ((input: unknown) => Promise<unknown>) | undefined;
    invariant(implement, `${contract.module}.${name} has an implementation`);
    return [name, (input: unknown) => invoke(`${contract.module}.${name}`, spec, implement, input)];
  });
  return Object.freeze(Object.fromEntries(calls)) as Api<C>;
}

async function invoke(
  name: string,
  spec: CallSpec,
  implement: (input: unknown) => Promise<unknown>,
  input: unknown,
): Promise<unknown> {
  refuseInsideTransaction(`call of ${name}`);
  const parsed = spec.input.safeParse(copyValue(input));
  invariant(parsed.success, `input of ${name}: ${parsed.error?.message}`);
  // What nobody's request led to gets an id of its own, so that its deadline and its depth travel as well.
  const context = currentContext() ?? { requestId: uuidv7(), ...newTrace() };
  const depth = (context.depth ?? 0) + 1;
  invariant(depth <= CALL_DEPTH, `calls are at most ${CALL_DEPTH} deep: ${name}`);
  const startedAt = performance.now();
  const leftMs = (context.deadlineAt ?? Number.POSITIVE_INFINITY) - startedAt;
  // Nobody waits for it any more, and between processes it would not be sent either.
  if (leftMs <= 0) throw new AppError('unavailable', 'timeout', `no time is left to call ${name}`);
  const timeoutMs = Math.min(spec.timeoutMs ?? CALL_TIMEOUT_MS, leftMs);
  // A batch calls for several orders under one context: each call gets ids of its own.
  const ids = withOrderOf(parsed.data, context.ids);
  const work = runInContext({ ...context, ids, deadlineAt: startedAt + timeoutMs, depth }, () =>
    implement(parsed.data),
  );
  try {
    const output = await withDeadline(work, timeoutMs, name);
    return copyValue(spec.output.parse(output));
  } catch (error) {
    if (error instanceof AppError) {
      const declared = error.kind === 'unavailable' || spec.errors.includes(error.code);
      invariant(declared, `${name} declares the error ${error.code} (${error.message})`);
    }
    throw error;
  }
}
