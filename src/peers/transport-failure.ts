/**
 * A request got no answer. Whether it was worked on is unknown, unless nothing was sent (`sent` false): then it was
 * not, and any request may be sent elsewhere.
 */
export class TransportFailure extends Error {
  readonly sent: boolean;

  constructor(message: string, options: { sent: boolean; cause?: unknown }) {
    super(message, { cause: options.cause });
    this.name = 'TransportFailure';
    this.sent = options.sent;
  }
}

/** Failures of a connection that never came about. */
const NOT_CONNECTED = new Set([
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EADDRNOTAVAIL',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_CLOSED',
]);

export function failureOfRequest(error: unknown): TransportFailure {
  if (error instanceof TransportFailure) return error;
  const { code, syscall } = error as { code?: unknown; syscall?: unknown };
  // A route may be lost under a connection as well, with a request on it.
  const wasConnected = syscall !== undefined && syscall !== 'connect';
  const sent = typeof code !== 'string' || !NOT_CONNECTED.has(code) || wasConnected;
  return new TransportFailure(sent ? 'the connection broke off' : 'no connection', { sent, cause: error });
}
