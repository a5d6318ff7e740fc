import { z } from 'zod';
import { AppError, type ErrorKind, errorStatus, invariant } from '../errors.ts';
import { REQUEST_ERRORS } from '../limits.ts';
import type { CallSpec } from './contract.ts';

/** How a call's input, output and failures look between processes. All of it is JSON. */

/** An answer on its way: an HTTP status and a JSON text. */
export interface WireAnswer {
  readonly status: number;
  readonly text: string;
}

/** What the code of the two sides says of each other: see `contract-shape.ts`. */
export interface Sameness {
  /** Whether both sides know the call by the same hash. Without that a value that does not parse is no bug. */
  readonly sameContract: boolean;
}

/** Kinds of failure by name, so that one that is unknown here is seen. */
const kinds = new Set<string>(Object.keys(errorStatus));

export function encodeInput(input: unknown): string {
  return JSON.stringify(input) ?? 'null';
}

/**
 * The input as the implementation gets it. Fails with `contract_mismatch` (unavailable) when the other side's
 * contract differs and its input does not fit ours; with the same contract that is a bug.
 */
export function decodeInput(name: string, spec: CallSpec, text: string, { sameContract }: Sameness): unknown {
  const parsed = spec.input.safeParse(parseJson(text));
  if (parsed.success) return parsed.data;
  if (!sameContract) throw contractMismatch(name, 'the input does not fit', parsed.error);
  throw new Error(`input of ${name}: ${parsed.error.message}`);
}

/**
 * Fails when a value does not fit our contract: with `contract_mismatch` when its sender has another version of it, and
 * with `invalid_input` (invalid) when it has none, as a program in another language.
 */
export function refuseMisfit(name: string, spec: CallSpec, input: unknown, hash: string | undefined): void {
  const parsed = spec.input.safeParse(input);
  if (parsed.success) return;
  if (hash !== undefined) throw contractMismatch(name, 'the input does not fit', parsed.error);
  // A long list can be wrong in each of its items.
  const told = new z.ZodError(parsed.error.issues.slice(0, REQUEST_ERRORS));
  throw new AppError('invalid', 'invalid_input', z.prettifyError(told));
}

/** A call that ended well; `output` as the contract's output schema gave it. */
export function encodeOutput(output: unknown): WireAnswer {
  return { status: 200, text: JSON.stringify({ output }) };
}

/** A call that failed. Only an expected failure tells anything; a bug stays with whoever logs it there. */
export function encodeFailure(error: unknown): WireAnswer {
  if (!(error instanceof AppError)) return { status: 500, text: '{"bug":true}' };
  const { kind, code, message, extra, retryAfterSeconds } = error;
  return {
    status: errorStatus[kind],
    text: JSON.stringify({ error: { kind, code, message, extra, retryAfterSeconds } }),
  };
}

/**
 * The output of a call, or its failure thrown as it would be in one process. Fails with `contract_mismatch`
 * (unavailable) when the other side's contract differs and its answer does not fit ours.
 */
export function decodeAnswer(name: string, spec: CallSpec, answer: WireAnswer, sameness: Sameness): unknown {
  const body = parseJson(answer.text) as { output?: unknown; error?: unknown } | undefined;
  if (answer.status === 200 && body !== undefined && 'output' in body) {
    return decodeOutput(name, spec, body.output, sameness);
  }
  if (body?.error !== undefined) throw rebuildFailure(name, spec, body.error, sameness);
  throw new Error(`${name} failed where it runs (${answer.status}); the log there tells why`);
}

/** The output as the caller gets it, from the value that came; fails as `decodeAnswer` does. */
export function decodeOutput(
  name: string,
  spec: CallSpec,
  output: unknown,
  { sameContract }: Sameness,
): unknown {
  const parsed = spec.output.safeParse(output);
  if (parsed.success) return parsed.data;
  if (!sameContract) throw contractMismatch(name, 'the answer does not fit', parsed.error);
  throw new Error(`output of ${name}: ${parsed.error.message}`);
}

/** A failure that came, as it would be in one process. One that the call does not declare is a bug. */
export function rebuildFailure(
  name: string,
  spec: CallSpec,
  sent: unknown,
  { sameContract }: Sameness,
): AppError {
  const { kind, code, message, extra, retryAfterSeconds } = sent as {
    kind: ErrorKind;
    code: string;
    message: string;
    extra?: Record<string, unknown>;
    retryAfterSeconds?: number;
  };
  const declared = kinds.has(kind) && (kind === 'unavailable' || spec.errors.includes(code));
  if (!declared && !sameContract) return contractMismatch(name, `the failure ${code} is not known here`);
  invariant(declared, `${name} declares the error ${code} (${message})`);
  return new AppError(kind, code, message, { extra, retryAfterSeconds });
}

/** The two sides' contracts of a call differ by more than either can bear. It passes when both are of one version. */
export function contractMismatch(name: string, what: string, cause?: unknown): AppError {
  return new AppError(
    'unavailable',
    'contract_mismatch',
    `${name}: ${what}; the processes' versions differ`,
    {
      cause,
    },
  );
}

/** Undefined when it is no JSON. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
