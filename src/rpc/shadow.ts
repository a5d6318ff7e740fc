import type { Registry } from 'prom-client';
import { AppError } from '../errors.ts';
import { platformMetrics } from '../telemetry/catalogue.ts';
import { counterOf } from '../telemetry/instruments.ts';
import type { Logger } from '../telemetry/log.ts';
import type { Api, CallSpec, Contract } from './contract.ts';
import { copyValue } from './copy.ts';
import { firstDifference } from './difference.ts';
import type { CallMetrics } from './observe.ts';
import {
  decodeAnswer,
  decodeInput,
  encodeFailure,
  encodeInput,
  encodeOutput,
  type WireAnswer,
} from './wire.ts';

/**
 * Shows, in one process, what a call would be like between two: a share of the calls also passes through the form
 * that calls have there, and what comes out is compared with what the modules saw.
 */
export interface Shadow {
  /** The same API as `caller` uses it, with the shadow on a share of its calls. Their answers are never touched. */
  over<C extends Contract>(api: Api<C>, use: { contract: C; caller: string }): Api<C>;
}

export interface ShadowOptions {
  /** The share of calls, from 0 to 1. */
  readonly ratio: number;
  readonly metrics: CallMetrics;
  readonly registry: Registry;
  readonly log: Logger;
  /** From 0 to below 1; for tests. */
  readonly random?: () => number;
}

type Direction = 'input' | 'answer';

/** Undefined at a ratio of 0, so that whoever has none does nothing at all. */
export function createShadow(options: ShadowOptions): Shadow | undefined {
  const { ratio, metrics, log, random = Math.random } = options;
  if (ratio <= 0) return undefined;
  const compared = counterOf(options.registry, platformMetrics.shadowCalls);

  async function withShadow(
    of: { caller: string; module: string; call: string; spec: CallSpec },
    make: (input: unknown) => Promise<unknown>,
    input: unknown,
  ): Promise<unknown> {
    const { caller, module, call, spec } = of;
    const name = `${module}.${call}`;
    let isSame = true;
    const compare = (direction: Direction, look: () => string | undefined): void => {
      const path = look();
      if (path === undefined) return;
      isSame = false;
      // Where, and never what: values may be personal.
      log.warn({ module, call, direction, path }, 'a call would be another one between processes');
    };
    // Before the call, as its caller may go on to change what it passed.
    const inputBytes = sizeOf(() => encodeInput(input));
    compare('input', () => inputDifference(name, spec, input));
    const end = (sent: WireAnswer | undefined): void => {
      compared.inc({ module, call, result: isSame ? 'same' : 'different' });
      if (inputBytes === undefined || sent === undefined) return;
      metrics.sized({ caller, module, call, inputBytes, outputBytes: Buffer.byteLength(sent.text) });
    };
    try {
      const output = await make(input);
      const sent = attempt(() => encodeOutput(output));
      compare('answer', () => answerDifference(name, spec, sent, { output }));
      end(sent);
      return output;
    } catch (error) {
      const sent = attempt(() => encodeFailure(error));
      compare('answer', () => answerDifference(name, spec, sent, { error }));
      end(sent);
      throw error;
    }
  }

  return {
    over(api, { contract, caller }) {
      const { module } = contract;
      const calls = Object.entries(contract.calls).map(([call, spec]) => {
        const make = api[call] as (input: unknown) => Promise<unknown>;
        const of = { caller, module, call, spec };
        return [call, (input: unknown) => (random() < ratio ? withShadow(of, make, input) : make(input))];
      });
      return Object.freeze(Object.fromEntries(calls)) as typeof api;
    },
  };
}

const sameContract = { sameContract: true };

/** Where the implementation would get something else. An input that fits nowhere is refused everywhere. */
function inputDifference(name: string, spec: CallSpec, input: unknown): string | undefined {
  const here = attempt(() => spec.input.parse(copyValue(input)));
  const there = attempt(() => decodeInput(name, spec, encodeInput(input), sameContract));
  return firstDifference(here, there);
}

/** Where the caller would get something else. Of a bug it sees no more than that it is one. */
function answerDifference(
  name: string,
  spec: CallSpec,
  sent: WireAnswer | undefined,
  ended: { output: unknown } | { error: unknown },
): string | undefined {
  const here = 'output' in ended ? { output: ended.output } : { failure: told(ended.error) };
  if (sent === undefined) return '$';
  try {
    return firstDifference(here, { output: decodeAnswer(name, spec, sent, sameContract) });
  } catch (error) {
    return firstDifference(here, { failure: told(error) });
  }
}

/** What a caller can tell of a failure. */
function told(error: unknown): unknown {
  if (!(error instanceof AppError)) return 'bug';
  const { kind, code, message, extra, retryAfterSeconds } = error;
  return { kind, code, message, extra, retryAfterSeconds };
}

function sizeOf(encode: () => string): number | undefined {
  const text = attempt(encode);
  return text === undefined ? undefined : Buffer.byteLength(text);
}

/** Undefined when it cannot be done; the call itself says why, to whoever made it. */
function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}
