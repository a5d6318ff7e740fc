import type { DescMessage } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { z } from 'zod';
import { AppError, type ErrorKind } from '../errors.ts';
import { createTypes } from './descriptor.ts';
import { fieldNumbers } from './field-numbers.ts';
import { messagesOf } from './proto-model.ts';
import { createValues } from './values.ts';

/** The status of each kind of failure; by its detail our own processes tell it exactly. */
export const grpcCode: Readonly<Record<ErrorKind, Code>> = {
  invalid: Code.InvalidArgument,
  unauthenticated: Code.Unauthenticated,
  declined: Code.FailedPrecondition,
  forbidden: Code.PermissionDenied,
  not_found: Code.NotFound,
  conflict: Code.FailedPrecondition,
  stale: Code.Aborted,
  too_large: Code.ResourceExhausted,
  unsupported: Code.InvalidArgument,
  unprocessable: Code.FailedPrecondition,
  too_many: Code.ResourceExhausted,
  unavailable: Code.Unavailable,
};

/** The one code of `unavailable` that gRPC has a status of its own for. */
const TIMEOUT = 'timeout';

const failureSchema = z
  .object({
    kind: z.enum(Object.keys(grpcCode) as [ErrorKind, ...ErrorKind[]]),
    code: z.string(),
    message: z.string(),
    /** Further members of the failure. */
    extra: z.record(z.string(), z.unknown()),
    /** Whether `extra` is empty, and the message may be cut, because they have no room in a trailer. */
    extraLeftOut: z.boolean(),
    retryAfterSeconds: z.number().optional(),
  })
  .meta({ description: 'What a failed call says, as a detail of its status.' });

/** The messages that all modules have in common, in `failure.proto`. */
export const failureFile = messagesOf('banyan.rpc.v1', { Failure: failureSchema }, fieldNumbers);
const [failureMessage] = failureFile.messages;
const types = createTypes(failureFile);
const values = createValues(types);
const desc: DescMessage = types.message(failureMessage!);

/** A failure as it was sent; whether its kind and code are known here is for the caller's contract to say. */
export interface SentFailure {
  readonly kind: string;
  readonly code: string;
  readonly message: string;
  readonly extra: Record<string, unknown>;
  readonly extraLeftOut: boolean;
  readonly retryAfterSeconds?: number;
}

/**
 * Bytes of `extra` in a trailer. Clients and proxies take 8 kB of headers, often no more, and base64 adds a third.
 */
export const TRAILER_EXTRA_BYTES = 4_096;
/** Characters of a message there, where it stands twice, and a character may take nine bytes. */
export const TRAILER_MESSAGE_LENGTH = 256;

/**
 * The failure as a status; a bug tells nothing. `inTrailer`: gRPC has no other place for it, so of what is too long
 * for one, `extra` is left out and the message is cut.
 */
export function toStatus(error: unknown, { inTrailer }: { inTrailer: boolean }): ConnectError {
  if (!(error instanceof AppError)) return new ConnectError('a bug; the log there tells why', Code.Internal);
  const { kind, code, retryAfterSeconds } = error;
  const extra = JSON.stringify(error.extra);
  const isLong =
    inTrailer &&
    (Buffer.byteLength(extra) > TRAILER_EXTRA_BYTES || error.message.length > TRAILER_MESSAGE_LENGTH);
  const message = isLong ? cut(error.message) : error.message;
  const failure: SentFailure = {
    kind,
    code,
    message,
    extra: isLong ? {} : JSON.parse(extra),
    extraLeftOut: isLong,
    ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
  };
  const status = code === TIMEOUT ? Code.DeadlineExceeded : grpcCode[kind];
  const value = values.toMessage(failureMessage!, failure);
  return new ConnectError(message, status, undefined, [{ desc, value: value as never }]);
}

function cut(message: string): string {
  if (message.length <= TRAILER_MESSAGE_LENGTH) return message;
  return `${message.slice(0, TRAILER_MESSAGE_LENGTH - 1).toWellFormed()}…`;
}

/** The failure that a status tells of; undefined when no module of a shop made it. */
export function failureOfStatus(status: ConnectError): SentFailure | undefined {
  const [detail] = status.findDetails(desc);
  if (detail !== undefined) return values.fromMessage(failureMessage!, detail) as unknown as SentFailure;
  const unavailable = { kind: 'unavailable', extra: {}, extraLeftOut: false, message: status.rawMessage };
  // As gRPC's own machinery, or a proxy, has it.
  if (status.code === Code.DeadlineExceeded) return { ...unavailable, code: TIMEOUT };
  if (status.code === Code.Unavailable) return { ...unavailable, code: 'peer_unavailable' };
  return undefined;
}
