import { pino } from 'pino';
import { currentContext } from '../context.ts';
import { redact, redactText } from './redact.ts';

export type Logger = pino.Logger;

/** The loggers made from one: pino lets each keep the level it was born with. */
const descendants = new WeakMap<Logger, Logger[]>();

/**
 * Structured logs, one JSON object a line, on standard output unless there is another destination. Each line names
 * the module, the trace, the request, and the user, event and order that it is about, where they are known.
 */
export function createLogger(options: { level: string; destination?: pino.DestinationStream }): Logger {
  const children: Logger[] = [];
  const settings: pino.LoggerOptions = {
    level: options.level,
    base: undefined,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }), log: redact },
    // After `redact` an error is plain data, and its own reading of it would lose members.
    serializers: { err: (error) => error },
    hooks: {
      logMethod(args, method) {
        const redacted: unknown[] = args.map((arg) => (typeof arg === 'string' ? redactText(arg) : arg));
        // Without a message pino takes the error's, as it is.
        const error = args.length === 1 ? errorOf(args[0]) : undefined;
        if (error !== undefined) redacted.push(redactText(error.message));
        method.apply(this, redacted as Parameters<typeof method>);
      },
    },
    mixin() {
      const context = currentContext();
      if (context === undefined) return {};
      const { requestId, traceId, userId, ids } = context;
      return { requestId, traceId, userId, ...ids };
    },
    onChild: (child) => void children.push(child as Logger),
  };
  const log = options.destination === undefined ? pino(settings) : pino(settings, options.destination);
  descendants.set(log, children);
  return log;
}

function errorOf(logged: unknown): Error | undefined {
  const error = typeof logged === 'object' && logged !== null && 'err' in logged ? logged.err : logged;
  return error instanceof Error ? error : undefined;
}

/** Changes the level of `log`, which `createLogger` made, and of all loggers made from it. */
export function setLogLevel(log: Logger, level: string): void {
  for (const each of [log, ...(descendants.get(log) ?? [])]) each.level = level;
}
