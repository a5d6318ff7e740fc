import type { DestinationStream } from 'pino';
import pretty from 'pino-pretty';

/** Lines for people at a terminal, written in this thread: pino's worker needs files that a bundle does not have. */
export function prettyLines(output: NodeJS.WritableStream): DestinationStream {
  return pretty({ destination: output as never, ignore: 'pid,hostname', singleLine: true, colorize: true });
}
