import { AppError } from '../errors.ts';
import { CALL_TIMEOUT_MS } from '../limits.ts';
import type { Logger } from '../telemetry/log.ts';
import { enter } from '../telemetry/trace.ts';
import { CONTRACT_HEADER } from './call-headers.ts';
import { type CallSpan, callSpan } from './call-span.ts';
import type { CallSpec, Contract } from './contract.ts';
import { callHash } from './contract-shape.ts';
import { readHops } from './hops.ts';
import { type Caller, noTokens, type ServiceTokens } from './service-token.ts';
import { refuseMisfit } from './wire.ts';

/** A module of this process, with its calls as other modules here see them. */
export interface ServedModule {
  readonly contract: Contract;
  // biome-ignore lint/suspicious/noExplicitAny: calls of any contract, checked by their specs.
  readonly api: Readonly<Record<string, (input: any) => Promise<unknown>>>;
}

/** A call of a module that runs here. */
export interface FoundCall {
  /** As `order.receipts`. */
  readonly name: string;
  readonly spec: CallSpec;
  /** What the answer says of our contract; see `contract-shape.ts`. */
  readonly hash: string;
  readonly span: CallSpan;
  make(input: unknown): Promise<unknown>;
}

/** Who asks, and a request's headers, or what stands for them in another protocol. */
export interface Asker {
  readonly caller: Caller;
  readonly header: (name: string) => string | undefined;
}

/** The part of answering another process's call that is the same in every protocol. */
export interface CallTaker {
  /** For whom a call of `module` is made, by the request's Authorization; fails as `ServiceTokens.verify` does. */
  admit(module: string, call: string, authorization: string | undefined): Promise<Caller>;
  hosts(module: string): boolean;
  /** Fails with `not_hosted` (unavailable) for a module elsewhere, and with `no_such_call` (not_found). */
  find(module: string, call: string): FoundCall;
  /**
   * Makes the call on what `input` gives, with the depth and what is left of the deadline that the headers tell. Fails
   * as the call does, and with `contract_mismatch` or `invalid_input` when the sender knows another version, or none,
   * and its input does not fit; with `invalid_input` as well when `input` throws.
   */
  make(call: FoundCall, asker: Asker, input: () => unknown): Promise<unknown>;
}

/** As a process that moved a module away answers who has not heard of it yet. */
export function notHosted(module: string): AppError {
  return new AppError('unavailable', 'not_hosted', `module ${module} does not run here`);
}

export function createCallTaker(options: {
  modules: readonly ServedModule[];
  /** Undefined: this shop has no secret, and takes no calls. */
  tokens: ServiceTokens | undefined;
  log: Logger;
}): CallTaker {
  const { log } = options;
  const tokens = options.tokens ?? noTokens;
  const modules = new Map(options.modules.map((module) => [module.contract.module, module]));
  return {
    async admit(module, call, authorization) {
      try {
        return await tokens.verify(module, /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1]);
      } catch (error) {
        if (error instanceof AppError) {
          log.warn({ err: error, call: `${module}.${call}` }, 'a call without a right token was refused');
        }
        throw error;
      }
    },
    hosts: (module) => modules.has(module),
    find(name, call) {
      const module = modules.get(name);
      if (module === undefined) throw notHosted(name);
      const { calls } = module.contract;
      // The name is whatever somebody sent, as `constructor`.
      const spec = Object.hasOwn(calls, call) ? calls[call] : undefined;
      if (spec === undefined) throw new AppError('not_found', 'no_such_call', call);
      return {
        name: `${name}.${call}`,
        spec,
        hash: callHash(spec),
        span: callSpan('server', { module: name, call }),
        make: module.api[call]!,
      };
    },
    async make({ name, spec, hash, span, make }, { caller, header }, input) {
      const hops = readHops(header);
      const timeoutMs = Math.min(hops.timeoutMs ?? CALL_TIMEOUT_MS, spec.timeoutMs ?? CALL_TIMEOUT_MS);
      const deadlineAt = performance.now() + timeoutMs;
      const context = { ...hops.context, userId: caller.userId, deadlineAt };
      return await enter(span.name, { ...span.options, parent: hops.parent }, context, async () => {
        try {
          const value = readInput(name, input);
          // The call parses its input itself; a sender of another version is told apart from a bug before.
          const theirs = header(CONTRACT_HEADER);
          if (theirs !== hash) refuseMisfit(name, spec, value, theirs);
          return await make(value);
        } catch (error) {
          // Whoever called logs expected failures where they end; a bug is logged where it is.
          if (!(error instanceof AppError)) log.error({ err: error, call: name }, 'a call failed');
          throw error;
        }
      });
    },
  };
}

/** Bytes that hold no value at all are the sender's fault, whoever it is. */
function readInput(name: string, input: () => unknown): unknown {
  try {
    return input();
  } catch (cause) {
    throw new AppError('invalid', 'invalid_input', `the input of ${name} cannot be read`, { cause });
  }
}
