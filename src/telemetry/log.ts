import { pino } from 'pino';
import { currentContext } from '../context.ts';

export type Logger = pino.Logger;

/** Members whose values never reach a log, wherever they stand in the logged object, two levels deep. */
const SECRET_MEMBERS = [
  'password',
  'currentPassword',
  'newPassword',
  'token',
  'accessToken',
  'refreshToken',
  'authorization',
  'cookie',
  'secret',
  'privateKey',
  'email',
  'username',
  'shippingAddress',
  'address',
];

/** Structured logs on standard output, one JSON object a line; people at a terminal get a readable form. */
export function createLogger(options: {
  level: string;
  pretty: boolean;
  destination?: pino.DestinationStream;
}): Logger {
  const settings: pino.LoggerOptions = {
    level: options.level,
    base: undefined,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    redact: {
      paths: SECRET_MEMBERS.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]),
      censor: '[redacted]',
    },
    mixin() {
      const context = currentContext();
      return context
        ? { requestId: context.requestId, traceId: context.traceId, userId: context.userId }
        : {};
    },
  };
  if (options.destination) return pino(settings, options.destination);
  if (!options.pretty) return pino(settings);
  const transport = { target: 'pino-pretty', options: { ignore: 'pid,hostname', singleLine: true } };
  return pino({ ...settings, formatters: {}, transport });
}
