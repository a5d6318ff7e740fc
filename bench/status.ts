import { type Terminal, terminal } from '../src/commands/terminal.ts';

/** Elsewhere than on a terminal a line now and then is enough. */
const PLAIN_MS = 10_000;

/** What goes on: a line that is written over on a terminal. */
export function createStatus(label: string, stream: Terminal['err'] = terminal.err) {
  const startedMs = performance.now();
  let writtenMs = Number.NEGATIVE_INFINITY;
  const seconds = () => Math.round((performance.now() - startedMs) / 1_000);
  return {
    say(text: string) {
      const line = `${label}: ${seconds()} s, ${text}`;
      if (stream.isTTY) {
        // To the line's start, and clear what a longer text left behind.
        stream.write(`\r${line.slice(0, (stream.columns ?? 120) - 1)}\u001b[K`);
      } else if (performance.now() - writtenMs > PLAIN_MS) {
        writtenMs = performance.now();
        stream.write(`${line}\n`);
      }
    },
    end() {
      stream.write(`${stream.isTTY ? '\r\u001b[K' : ''}${label}: ${seconds()} s in all\n`);
    },
  };
}
