import type { DestinationStream } from 'pino';
import { LOG_GATHER_MS, LOG_WRITE_BYTES } from '../limits.ts';

/** Lines that wait to be written together. */
export interface GatheredLines extends DestinationStream {
  /** Writes what waits. */
  flushSync(): void;
}

/**
 * Hands lines on to `out` several at once, for each write of its own costs a system call: after LOG_GATHER_MS, as
 * soon as they are LOG_WRITE_BYTES, and at `flushSync`. Who stops the process calls that.
 */
export function gatherLines(out: DestinationStream): GatheredLines {
  let waiting = '';
  let bytes = 0;
  let timer: NodeJS.Timeout | undefined;

  function flushSync(): void {
    clearTimeout(timer);
    timer = undefined;
    const lines = waiting;
    waiting = '';
    bytes = 0;
    if (lines !== '') out.write(lines);
  }

  return {
    flushSync,
    write(line) {
      const more = Buffer.byteLength(line);
      if (bytes + more > LOG_WRITE_BYTES) flushSync();
      waiting += line;
      bytes += more;
      timer ??= setTimeout(flushSync, LOG_GATHER_MS).unref();
    },
  };
}
