import { currentContext, runInContext } from '../context.ts';
import { refuseInsideTransaction } from '../database/scope.ts';
import { withDeadline } from '../deadline.ts';
import { AppError, invariant } from '../errors.ts';
import { CALL_TIMEOUT_MS } from '../limits.ts';
import type { Api, CallSpec, Contract, Implementation } from './contract.ts';

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
  const parsed = spec.input.safeParse(structuredClone(input));
  invariant(parsed.success, `input of ${name}: ${parsed.error?.message}`);
  const context = currentContext();
  const ownTimeoutMs = spec.timeoutMs ?? CALL_TIMEOUT_MS;
  const leftMs = (context?.deadlineAt ?? Number.POSITIVE_INFINITY) - performance.now();
  const timeoutMs = Math.max(0, Math.min(ownTimeoutMs, leftMs));
  const run = () => implement(parsed.data);
  const deadlineAt = performance.now() + timeoutMs;
  const work = context ? runInContext({ ...context, deadlineAt }, run) : run();
  try {
    const output = await withDeadline(work, timeoutMs, name);
    return structuredClone(spec.output.parse(output));
  } catch (error) {
    if (error instanceof AppError) {
      const declared = error.kind === 'unavailable' || spec.errors.includes(error.code);
      invariant(declared, `${name} declares the error ${error.code} (${error.message})`);
    }
    throw error;
  }
}
