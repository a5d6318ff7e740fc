import { CALL_ANSWER_BYTES } from '../limits.ts';
import type { PeerAnswer } from '../peers/peer.ts';
import { readAnswer } from '../peers/read-answer.ts';
import { CONTRACT_HEADER, TIMEOUT_HEADER } from './call-headers.ts';
import type { CallSpec, Contract } from './contract.ts';
import { decodeAnswer, encodeInput, type Sameness } from './wire.ts';

/** How one call travels between processes. */
export interface CallForm {
  readonly path: string;
  /** Whether the peer must be spoken to in HTTP/2. */
  readonly http2: boolean;
  /** Throws a bug when the input has no such form. */
  encode(input: unknown): string | Uint8Array;
  /** The headers that this form needs; what is left of the deadline is in whole milliseconds. */
  headers(leftMs: number): Readonly<Record<string, string>>;
  /** Reads an answer whole. */
  receive(answer: PeerAnswer): Promise<ReceivedAnswer>;
}

/** An answer that was read whole. */
export interface ReceivedAnswer {
  /** The sender's hash of the call; only who made the call, or tried to, tells it. */
  readonly hash: string | undefined;
  readonly bytes: number;
  /** Why the call was not even tried. */
  readonly refusal?: 'token' | 'unknown';
  /** What a refusal said, for the log. */
  readonly said: string;
  /** Whether the failure that it tells of lacks a part, which the plain form would have. */
  readonly isCutShort: boolean;
  /** The output of the call, or its failure thrown as it would be in one process. */
  decode(sameness: Sameness): unknown;
}

/** JSON by plain HTTP: `POST /internal/<module>/<call>`. */
export function plainForm({ module }: Contract, call: string, spec: CallSpec): CallForm {
  return {
    path: `/internal/${module}/${call}`,
    http2: false,
    encode: encodeInput,
    headers: (leftMs) => ({ 'content-type': 'application/json', [TIMEOUT_HEADER]: String(leftMs) }),
    async receive(answer) {
      const bytes = await readAnswer(answer, CALL_ANSWER_BYTES);
      const { status } = answer;
      const hash = hashOf(answer);
      const text = bytes.toString('utf8');
      return {
        hash,
        bytes: bytes.length,
        refusal: hash === undefined ? refusals[status] : undefined,
        said: text,
        isCutShort: false,
        decode: (sameness) => decodeAnswer(`${module}.${call}`, spec, { status, text }, sameness),
      };
    },
  };
}

/** A call that was made may fail with these as well, and its answer has the hash. */
const refusals: Readonly<Record<number, ReceivedAnswer['refusal']>> = {
  401: 'token',
  403: 'token',
  404: 'unknown',
};

export function hashOf({ headers }: Pick<PeerAnswer, 'headers'>): string | undefined {
  const hash = headers[CONTRACT_HEADER];
  return typeof hash === 'string' ? hash : undefined;
}
