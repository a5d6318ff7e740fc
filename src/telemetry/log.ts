import { pino } from 'pino';
import { currentContext } from '../context.ts';
import { LOG_KEEP_BYTES } from '../limits.ts';
import { type GatheredLines, gatherLines } from './gather-lines.ts';
import { redact, redactText } from './redact.ts';

export type Logger = pino.Logger;

/** The loggers made from one: pino lets each keep the level it was born with. */
const descendants = new WeakMap<Logger, Logger[]>();

/** From here on a line is urgent: somebody may be waiting for it, or the process not last. */
const WARN = pino.levels.values.warn ?? 0;

/** Its file descriptor. */
const STANDARD_OUTPUT = 1;

/**
 * Structured logs, one JSON object a line, on standard output unless there is another destination. Each line names
 * the module, the trace, the request, and the user, event and order that it is about, where they are known. On
 * standard output, lines below `warn` are gathered for a moment.
 */
export function createLogger(options: { level: string; destination?: pino.DestinationStream }): Logger {
  const children: Logger[] = [];
  const gathered = options.destination === undefined ? standardOutput() : undefined;
  const settings: pino.LoggerOptions = {
    level: options.level,
    base: undefined,
    timestamp: createTimestamp(),
    formatters: { level: (label) => ({ level: label }), log: redact },
    // After `redact` an error is plain data, and its own reading of it would lose members.
    serializers: { err: (error) => error },
    hooks: {
      logMethod(args, method, level) {
        const redacted: unknown[] = args.map((arg) => (typeof arg === 'string' ? redactText(arg) : arg));
        // Without a message pino takes the error's, as it is.
        const error = args.length === 1 ? errorOf(args[0]) : undefined;
        if (error !== undefined) redacted.push(redactText(error.message));
        method.apply(this, redacted as Parameters<typeof method>);
        if (level >= WARN) gathered?.flushSync();
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
  const log = pino(settings, options.destination ?? gathered);
  descendants.set(log, children);
  return log;
}

/** pino's own member for the time, written anew only when a millisecond has passed. */
function createTimestamp(): () => string {
  let writtenAt = Number.NaN;
  let member = '';
  return () => {
    const now = Date.now();
    if (now !== writtenAt) {
      writtenAt = now;
      member = `,"time":"${new Date(now).toISOString()}"`;
    }
    return member;
  };
}

/** The last lines of a process that ends by itself are written; one that a signal ends at once has no time for it. */
function standardOutput(): GatheredLines {
  const out = pino.destination({ dest: STANDARD_OUTPUT, sync: true, maxLength: LOG_KEEP_BYTES });
  // As where its disk is full: the shop goes on, and the log with it as soon as there is room.
  out.on('error', () => undefined);
  const lines = gatherLines(out);
  process.on('exit', lines.flushSync);
  return lines;
}

function errorOf(logged: unknown): Error | undefined {
  const error = typeof logged === 'object' && logged !== null && 'err' in logged ? logged.err : logged;
  return error instanceof Error ? error : undefined;
}

/** Changes the level of `log`, which `createLogger` made, and of all loggers made from it. */
export function setLogLevel(log: Logger, level: string): void {
  for (const each of [log, ...(descendants.get(log) ?? [])]) each.level = level;
}
