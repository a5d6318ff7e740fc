import { StringDecoder } from 'node:string_decoder';

/** What has no line break for so long is shown in pieces, so that it cannot fill the memory. */
const MAX_LINE_CHARS = 65_536;

/**
 * Cuts what a process prints into lines, and hands over each without its break. `end` hands over the last one if it
 * is unfinished, as that of a process that was killed.
 */
export function createLineSplitter(take: (line: string) => void): {
  write(chunk: Buffer): void;
  end(): void;
} {
  // Characters may be cut in two between chunks, as lines are.
  const decoder = new StringDecoder('utf8');
  let rest = '';
  const split = (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) take(line.replace(/\r$/, ''));
    while (rest.length > MAX_LINE_CHARS) {
      take(rest.slice(0, MAX_LINE_CHARS));
      rest = rest.slice(MAX_LINE_CHARS);
    }
  };
  return {
    write: (chunk) => split(decoder.write(chunk)),
    end() {
      split(decoder.end());
      if (rest !== '') take(rest);
      rest = '';
    },
  };
}

/** Read well on dark and on light ground; red is left for what is wrong. */
const colours = [36, 32, 33, 35, 34] as const;

/** Puts `name | ` before a line, in a column as wide as the longest of `names`; in colour if asked. */
export function createPrefix(
  names: readonly string[],
  isColoured: boolean,
): (name: string, line: string) => string {
  const width = Math.max(...names.map((name) => name.length));
  return (name, line) => {
    const prefix = `${name.padEnd(width)} |`;
    const colour = colours[Math.max(0, names.indexOf(name)) % colours.length];
    return isColoured ? `\u001b[${colour}m${prefix}\u001b[0m ${line}` : `${prefix} ${line}`;
  };
}
