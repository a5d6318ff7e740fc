import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { LOG_GATHER_MS, LOG_WRITE_BYTES } from '../limits.ts';
import { type GatheredLines, gatherLines } from './gather-lines.ts';

let written: string[];
let lines: GatheredLines;

beforeEach(() => {
  vi.useFakeTimers();
  written = [];
  lines = gatherLines({ write: (text) => void written.push(text) });
});
afterEach(() => {
  vi.useRealTimers();
});

it('writes lines together after a moment, in their order', () => {
  lines.write('one\n');
  vi.advanceTimersByTime(LOG_GATHER_MS - 1);
  lines.write('two\n');
  expect(written).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(written).toEqual(['one\ntwo\n']);
  lines.write('three\n');
  vi.advanceTimersByTime(LOG_GATHER_MS);
  expect(written).toEqual(['one\ntwo\n', 'three\n']);
});

it('writes at once when asked, and nothing twice', () => {
  lines.write('one\n');
  lines.flushSync();
  lines.flushSync();
  vi.advanceTimersByTime(LOG_GATHER_MS);
  expect(written).toEqual(['one\n']);
});

it('writes no more at once than a pipe takes whole, and never part of a line', () => {
  const line = `${'x'.repeat(1_000)}\n`;
  for (let i = 0; i < 10; i += 1) lines.write(line);
  const long = `${'y'.repeat(2 * LOG_WRITE_BYTES)}\n`;
  lines.write(long);
  lines.write(line);
  lines.flushSync();
  expect(written).toEqual([line.repeat(4), line.repeat(4), line.repeat(2), long, line]);
});

it('counts bytes, not letters', () => {
  const line = `${'é'.repeat(1_000)}\n`;
  for (let i = 0; i < 3; i += 1) lines.write(line);
  lines.flushSync();
  expect(written).toEqual([line.repeat(2), line]);
});
