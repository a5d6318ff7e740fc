import { uuidv7 } from 'uuidv7';
import { currentContext } from '../context.ts';
import { refuseInsideTransaction } from '../database/scope.ts';
import { AppError, invariant } from '../errors.ts';
import { CALL_ANSWER_BYTES, CALL_DEPTH, CALL_TIMEOUT_MS } from '../limits.ts';
import type { Peer, PeerAnswer } from '../peers/peer.ts';
import { readAnswer } from '../peers/read-answer.ts';
import type { Logger } from '../telemetry/log.ts';
import { newTrace, traceHeaders } from '../telemetry/trace-context.ts';
import { CONTRACT_HEADER, DEPTH_HEADER, TIMEOUT_HEADER } from './call-headers.ts';
import type { Api, CallSpec, Contract } from './contract.ts';
import { callHash } from './contract-shape.ts';
import type { CallMetrics } from './observe.ts';
import type { ServiceTokens } from './service-token.ts';
import type { Skew } from './skew.ts';
import { contractMismatch, decodeAnswer, encodeInput } from './wire.ts';

export interface RemoteOptions {
  /** The module, or the part of this process, that calls. */
  readonly caller: string;
  readonly peer: Peer;
  readonly tokens: ServiceTokens;
  readonly skew: Skew;
  readonly metrics: CallMetrics;
  readonly log: Logger;
}

/** An answer that was read whole. */
interface Received {
  readonly status: number;
  readonly hash: string | undefined;
  readonly text: string;
}

/**
 * The far end of a contract: the same type and the same failures as in one process. Besides, a call may end
 * `unavailable`, its outcome unknown: queries and commands alike may be sent again, so that was tried before.
 */
export function createRemoteApi<C extends Contract>(contract: C, options: RemoteOptions): Api<C> {
  const calls = Object.entries(contract.calls).map(([call, spec]) => [
    call,
    (input: unknown) => invoke(contract.module, call, spec, input, options),
  ]);
  return Object.freeze(Object.fromEntries(calls)) as Api<C>;
}

async function invoke(
  module: string,
  call: string,
  spec: CallSpec,
  input: unknown,
  options: RemoteOptions,
): Promise<unknown> {
  const name = `${module}.${call}`;
  refuseInsideTransaction(`call of ${name}`);
  const context = currentContext();
  const depth = context?.depth ?? 0;
  invariant(depth < CALL_DEPTH, `calls are at most ${CALL_DEPTH} deep: ${name}`);
  const text = encodeInput(input);
  const hash = callHash(spec);
  const deadlineAt = Math.min(
    context?.deadlineAt ?? Number.POSITIVE_INFINITY,
    performance.now() + (spec.timeoutMs ?? CALL_TIMEOUT_MS),
  );
  // Nobody waits for it any more.
  if (deadlineAt <= performance.now()) {
    throw new AppError('unavailable', 'timeout', `no time is left to call ${name}`);
  }
  const token = await options.tokens.issue(module, { userId: context?.userId });
  const received = await options.peer.send(
    {
      method: 'POST',
      path: `/internal/${module}/${call}`,
      headers: {
        'content-type': 'application/json',
        authorization: `Bearer ${token}`,
        ...traceHeaders(context ?? newTrace()),
        'x-request-id': context?.requestId ?? uuidv7(),
        [CONTRACT_HEADER]: hash,
        [DEPTH_HEADER]: String(depth),
        [TIMEOUT_HEADER]: String(Math.max(0, Math.floor(deadlineAt - performance.now()))),
      },
      body: text,
      deadlineAt,
      // By either kind of call: a query changes nothing, and a command's key tells that it is the same one.
      repeatable: true,
    },
    receive,
  );
  options.metrics.sized({
    caller: options.caller,
    module,
    call,
    inputBytes: Buffer.byteLength(text),
    outputBytes: Buffer.byteLength(received.text),
  });
  // A call that was made may fail with these as well, and its answer has the hash.
  const isRefused = received.hash === undefined && (received.status === 401 || received.status === 403);
  if (isRefused) throw refused(name, received, options.log);
  const sameContract = received.hash === hash;
  options.skew.note(module, call, sameContract);
  if (received.status === 404 && received.hash === undefined) {
    throw contractMismatch(name, 'the other side has no such call');
  }
  return decodeAnswer(name, spec, received, { sameContract });
}

async function receive(answer: PeerAnswer): Promise<Received> {
  const bytes = await readAnswer(answer, CALL_ANSWER_BYTES);
  const hash = answer.headers[CONTRACT_HEADER];
  return {
    status: answer.status,
    hash: typeof hash === 'string' ? hash : undefined,
    text: bytes.toString('utf8'),
  };
}

/** The two processes have different secrets, or clocks that are minutes apart: nothing that a caller could mend. */
function refused(name: string, { status, text }: Received, log: Logger): AppError {
  log.error({ call: name, status, answer: text.slice(0, 500) }, 'a peer refused our service token');
  return new AppError('unavailable', 'peer_unavailable', 'a part of the shop can not be asked at the moment');
}
