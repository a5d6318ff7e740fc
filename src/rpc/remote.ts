import { uuidv7 } from 'uuidv7';
import { currentContext } from '../context.ts';
import { refuseInsideTransaction } from '../database/scope.ts';
import { AppError, invariant } from '../errors.ts';
import { grpcForm } from '../grpc/call-form.ts';
import { CALL_DEPTH, CALL_TIMEOUT_MS } from '../limits.ts';
import type { Peer } from '../peers/peer.ts';
import type { Logger } from '../telemetry/log.ts';
import { newTrace, traceHeaders } from '../telemetry/trace-context.ts';
import { type CallForm, plainForm, type ReceivedAnswer } from './call-form.ts';
import { CONTRACT_HEADER, DEPTH_HEADER } from './call-headers.ts';
import type { Api, CallSpec, Contract } from './contract.ts';
import { callHash } from './contract-shape.ts';
import type { CallMetrics } from './observe.ts';
import type { ServiceTokens } from './service-token.ts';
import type { Skew } from './skew.ts';
import { contractMismatch } from './wire.ts';

export interface RemoteOptions {
  /** The module, or the part of this process, that calls. */
  readonly caller: string;
  readonly peer: Peer;
  readonly tokens: ServiceTokens;
  readonly skew: Skew;
  readonly metrics: CallMetrics;
  readonly log: Logger;
}

/**
 * The far end of a contract: the same type and the same failures as in one process. Besides, a call may end
 * `unavailable`, its outcome unknown: queries and commands alike may be sent again, so that was tried before.
 */
export function createRemoteApi<C extends Contract>(contract: C, options: RemoteOptions): Api<C> {
  const calls = Object.entries(contract.calls).map(([call, spec]) => {
    const form = options.peer.protocol === 'grpc' ? grpcForm : plainForm;
    const forms = { first: form(contract, call, spec), plain: plainForm(contract, call, spec) };
    return [call, (input: unknown) => invoke({ module: contract.module, call, spec, forms }, input, options)];
  });
  return Object.freeze(Object.fromEntries(calls)) as Api<C>;
}

interface RemoteCall {
  readonly module: string;
  readonly call: string;
  readonly spec: CallSpec;
  /** The peer's own form, and the one that has room for everything. */
  readonly forms: { readonly first: CallForm; readonly plain: CallForm };
}

async function invoke(remote: RemoteCall, input: unknown, options: RemoteOptions): Promise<unknown> {
  const { module, call, spec, forms } = remote;
  const name = `${module}.${call}`;
  refuseInsideTransaction(`call of ${name}`);
  const depth = currentContext()?.depth ?? 0;
  invariant(depth < CALL_DEPTH, `calls are at most ${CALL_DEPTH} deep: ${name}`);
  const hash = callHash(spec);
  const deadlineAt = Math.min(
    currentContext()?.deadlineAt ?? Number.POSITIVE_INFINITY,
    performance.now() + (spec.timeoutMs ?? CALL_TIMEOUT_MS),
  );
  let received = await send(remote, forms.first, input, deadlineAt, options);
  // Asked for the same once more: the call declares this failure, so it left nothing behind.
  if (received.isCutShort) received = await send(remote, forms.plain, input, deadlineAt, options);
  if (received.refusal === 'token') throw refused(name, received, options.log);
  const sameContract = received.hash === hash;
  options.skew.note(module, call, sameContract);
  if (received.refusal === 'unknown') throw contractMismatch(name, 'the other side has no such call');
  return received.decode({ sameContract });
}

async function send(
  { module, call, spec }: RemoteCall,
  form: CallForm,
  input: unknown,
  deadlineAt: number,
  options: RemoteOptions,
): Promise<ReceivedAnswer> {
  const context = currentContext();
  const body = form.encode(input);
  const leftMs = deadlineAt - performance.now();
  // Nobody waits for it any more.
  if (leftMs <= 0) throw new AppError('unavailable', 'timeout', `no time is left to call ${module}.${call}`);
  const token = await options.tokens.issue(module, { userId: context?.userId });
  const received = await options.peer.send(
    {
      method: 'POST',
      path: form.path,
      http2: form.http2,
      headers: {
        ...form.headers(Math.max(0, Math.floor(deadlineAt - performance.now()))),
        authorization: `Bearer ${token}`,
        ...traceHeaders(context ?? newTrace()),
        'x-request-id': context?.requestId ?? uuidv7(),
        [CONTRACT_HEADER]: callHash(spec),
        [DEPTH_HEADER]: String(context?.depth ?? 0),
      },
      body,
      deadlineAt,
      // By either kind of call: a query changes nothing, and a command's key tells that it is the same one.
      repeatable: true,
    },
    form.receive,
  );
  options.metrics.sized({
    caller: options.caller,
    module,
    call,
    inputBytes: Buffer.byteLength(body),
    outputBytes: received.bytes,
  });
  return received;
}

/** The two processes have different secrets, or clocks that are minutes apart: nothing that a caller could mend. */
function refused(name: string, { said }: ReceivedAnswer, log: Logger): AppError {
  log.error({ call: name, answer: said.slice(0, 500) }, 'a peer refused our service token');
  return new AppError('unavailable', 'peer_unavailable', 'a part of the shop can not be asked at the moment');
}
