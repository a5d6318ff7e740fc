/** Lines shown before the first difference, if its request is not nearer. */
const BEFORE = 60;
const AFTER = 6;
const REQUEST = /^[A-Z]+ \//;

/**
 * The first difference of two transcripts, readable: the part it is in, what both have before it, and both sides.
 * Undefined when they are the same.
 */
export function firstDifference(
  expected: { readonly name: string; readonly lines: readonly string[] },
  actual: { readonly name: string; readonly lines: readonly string[] },
): string | undefined {
  const length = Math.max(expected.lines.length, actual.lines.length);
  let at = 0;
  while (at < length && expected.lines[at] === actual.lines[at]) at += 1;
  if (at === length) return undefined;
  const part = expected.lines.slice(0, at + 1).findLast((line) => line.startsWith('# '));
  const request = expected.lines.slice(0, at + 1).findLastIndex((line) => REQUEST.test(line));
  const show = (mark: string, lines: readonly string[]) =>
    lines.slice(at, at + AFTER).map((line) => `${mark} ${line}`);
  return [
    `${actual.name} differs from ${expected.name} at line ${at + 1}, in "${part?.slice(2) ?? ''}":`,
    ...expected.lines.slice(Math.max(0, at - BEFORE, request), at).map((line) => `  ${line}`),
    `--- ${expected.name}`,
    ...show('-', expected.lines),
    `+++ ${actual.name}`,
    ...show('+', actual.lines),
  ].join('\n');
}
