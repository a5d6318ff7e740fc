import type { Registry } from 'prom-client';
import { AppError } from '../errors.ts';
import { platformMetrics } from '../telemetry/catalogue.ts';
import { counterOf, histogramOf } from '../telemetry/instruments.ts';
import { span } from '../telemetry/trace.ts';
import { callSpan } from './call-span.ts';
import type { Api, Contract } from './contract.ts';

/** Who calls what. */
export interface CallEdge {
  /** The module, or the part of this process, that calls. */
  readonly caller: string;
  readonly module: string;
  readonly call: string;
}

export type CallMode = 'local' | 'remote';
/** How a call ended: well, by a failure that it declares, without a known outcome, or by a bug. */
export type CallOutcome = 'ok' | 'declared' | 'unavailable' | 'bug';

/** What is measured of the calls between modules. `banyan lint` reads it to tell what a placement would cost. */
export interface CallMetrics {
  /** A call that has ended, `seconds` after it began. */
  observe(call: CallEdge & { readonly mode: CallMode; readonly outcome: CallOutcome }, seconds: number): void;
  /** A call whose size on the wire is known: one between processes, or one that the shadow passed through its form. */
  sized(call: CallEdge & { readonly inputBytes: number; readonly outputBytes: number }): void;
}

/** The metrics of calls in a registry. */
export function createCallMetrics(registry: Registry): CallMetrics {
  const duration = histogramOf(registry, platformMetrics.callDuration);
  const bytes = counterOf(registry, platformMetrics.callBytes);
  const sized = counterOf(registry, platformMetrics.callSized);
  return {
    observe({ caller, module, call, mode, outcome }, seconds) {
      duration.observe({ caller, module, call, mode, outcome }, seconds);
    },
    sized({ caller, module, call, inputBytes, outputBytes }) {
      bytes.inc({ caller, module, call, direction: 'input' }, inputBytes);
      bytes.inc({ caller, module, call, direction: 'output' }, outputBytes);
      sized.inc({ caller, module, call });
    },
  };
}

/** The same API, measured, and in traces. It costs a call about two microseconds. */
export function observed<C extends Contract>(
  api: Api<C>,
  of: { contract: C; caller: string; mode: CallMode; metrics: CallMetrics },
): Api<C> {
  const { contract, caller, mode, metrics } = of;
  const calls = Object.keys(contract.calls).map((call) => {
    const make = api[call] as (input: unknown) => Promise<unknown>;
    const edge = { caller, module: contract.module, call, mode };
    const { name, options } = callSpan(mode === 'local' ? 'internal' : 'client', edge);
    const measured = async (input: unknown) => {
      const startedAt = performance.now();
      let outcome: CallOutcome = 'ok';
      try {
        return await span(name, options, () => make(input));
      } catch (error) {
        outcome = outcomeOf(error);
        throw error;
      } finally {
        metrics.observe({ ...edge, outcome }, (performance.now() - startedAt) / 1000);
      }
    };
    return [call, measured];
  });
  return Object.freeze(Object.fromEntries(calls)) as Api<C>;
}

function outcomeOf(error: unknown): CallOutcome {
  if (!(error instanceof AppError)) return 'bug';
  return error.kind === 'unavailable' ? 'unavailable' : 'declared';
}
