import { Code, type ConnectError } from '@connectrpc/connect';
import { findTrailerError } from '@connectrpc/connect/protocol-grpc';
import { invariant } from '../errors.ts';
import { CALL_ANSWER_BYTES } from '../limits.ts';
import type { PeerAnswer } from '../peers/peer.ts';
import { readAnswer } from '../peers/read-answer.ts';
import { type CallForm, hashOf, type ReceivedAnswer } from '../rpc/call-form.ts';
import type { CallSpec, Contract } from '../rpc/contract.ts';
import { decodeOutput, rebuildFailure } from '../rpc/wire.ts';
import { failureOfStatus } from './failure.ts';
import { protocolOf } from './protocol.ts';

/** Before each message: whether it is compressed, and its length in four bytes. */
const PREFIX_BYTES = 5;
/** No 404 but of a process that does not have the call. */
const NOT_FOUND = 404;

/** Protobuf by gRPC: `POST /banyan.<module>.v1.<Module>Service/<Call>`, over HTTP/2 without TLS. */
export function grpcForm(contract: Contract, call: string, spec: CallSpec): CallForm {
  const method = protocolOf(contract)?.methods.get(call);
  const name = `${contract.module}.${call}`;
  invariant(method, `${name} has a form in protobuf`);
  return {
    path: method.path,
    http2: true,
    encode: (input) => frame(method.encodeInput(input)),
    headers: (leftMs) => ({
      'content-type': 'application/grpc+proto',
      te: 'trailers',
      'grpc-timeout': `${leftMs}m`,
    }),
    async receive(answer) {
      const bytes = await readAnswer(answer, CALL_ANSWER_BYTES);
      const hash = hashOf(answer);
      const error = answer.status === 200 ? statusOf(answer) : undefined;
      const failure = error && failureOfStatus(error);
      return {
        hash,
        bytes: bytes.length,
        refusal: hash === undefined ? refusalOf(answer, error) : undefined,
        said: error?.message ?? '',
        isCutShort: failure?.extraLeftOut ?? false,
        decode(sameness) {
          if (failure !== undefined) throw rebuildFailure(name, spec, failure, sameness);
          // A bug there, or something in between that is no module at all.
          if (error !== undefined || answer.status !== 200) {
            throw new Error(
              `${name} failed where it runs (${error?.message ?? answer.status}); the log there tells why`,
            );
          }
          return decodeOutput(name, spec, method.decodeOutput(unframe(name, bytes)), sameness);
        },
      };
    },
  };
}

function refusalOf({ status }: PeerAnswer, error: ConnectError | undefined): ReceivedAnswer['refusal'] {
  if (status === NOT_FOUND || error?.code === Code.Unimplemented) return 'unknown';
  const isToken = error?.code === Code.Unauthenticated || error?.code === Code.PermissionDenied;
  return isToken ? 'token' : undefined;
}

/** The status that follows the answer, or stands in its head when there is nothing else; undefined when all is well. */
function statusOf({ headers, trailers }: PeerAnswer): ConnectError | undefined {
  const sent = headers['grpc-status'] === undefined ? trailers : headers;
  invariant(sent?.['grpc-status'] !== undefined, 'an answer of gRPC has a status');
  const pairs = Object.entries(sent).flatMap(([name, value]) =>
    typeof value === 'string' ? [[name, value] as [string, string]] : [],
  );
  return findTrailerError(new Headers(pairs));
}

function frame(message: Uint8Array): Uint8Array {
  const framed = Buffer.allocUnsafe(PREFIX_BYTES + message.length);
  framed.writeUInt8(0, 0);
  framed.writeUInt32BE(message.length, 1);
  framed.set(message, PREFIX_BYTES);
  return framed;
}

/** The one message of an answer. */
function unframe(name: string, bytes: Buffer): Uint8Array {
  const isWhole = bytes.length >= PREFIX_BYTES && bytes.readUInt32BE(1) === bytes.length - PREFIX_BYTES;
  invariant(isWhole && bytes.readUInt8(0) === 0, `${name} is answered by one message, not compressed`);
  return bytes.subarray(PREFIX_BYTES);
}
