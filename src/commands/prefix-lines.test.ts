import { expect, test } from 'vitest';
import { createLineSplitter, createPrefix } from './prefix-lines.ts';

function linesOf(...chunks: readonly Buffer[]): string[] {
  const lines: string[] = [];
  const splitter = createLineSplitter((line) => lines.push(line));
  for (const chunk of chunks) splitter.write(chunk);
  splitter.end();
  return lines;
}

test('lines come whole, however they were cut', () => {
  const bytes = Buffer.from('première\r\n\nzweite\nlast');
  const expected = ['première', '', 'zweite', 'last'];
  expect(linesOf(bytes)).toEqual(expected);
  expect(linesOf(...[...bytes].map((byte) => Buffer.from([byte])))).toEqual(expected);
  expect(linesOf(Buffer.from('whole\n'))).toEqual(['whole']);
});

test('a line without end comes in pieces', () => {
  const lines = linesOf(Buffer.from('x'.repeat(100_000)), Buffer.from('y\nz\n'));
  expect(lines.map((line) => line.length)).toEqual([65_536, 34_465, 1]);
});

test('prefixes stand in one column, and in colour where asked', () => {
  const plain = createPrefix(['up', 'order'], false);
  expect([plain('up', 'a'), plain('order', 'b')]).toEqual(['up    | a', 'order | b']);
  const coloured = createPrefix(['up', 'order'], true);
  expect(coloured('order', 'b')).toBe('\u001b[32morder |\u001b[0m b');
});
