import { describe, expect, it, test } from 'vitest';
import { formatTrace, newTrace, parseTrace, parseTraceparent, traceHeaders } from './trace-context.ts';

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const spanId = '00f067aa0ba902b7';

describe('traceparent', () => {
  it.each([
    [`00-${traceId}-${spanId}-01`, true],
    [`00-${traceId}-${spanId}-00`, false],
    [`00-${traceId}-${spanId}-03`, true],
    [`cc-${traceId}-${spanId}-01-of-a-later-version`, true],
  ])('%s is a parent, recorded: %s', (header, sampled) => {
    expect(parseTraceparent(header)).toMatchObject({ traceId, spanId, sampled });
  });

  it.each([
    undefined,
    '',
    `ff-${traceId}-${spanId}-01`,
    `00-${traceId}-${spanId}-01-more`,
    `00-${'0'.repeat(32)}-${spanId}-01`,
    `00-${traceId}-${'0'.repeat(16)}-01`,
    `00-${traceId.toUpperCase()}-${spanId}-01`,
    `00-${traceId}-${spanId}`,
  ])('%s is none', (header) => {
    expect(parseTraceparent(header, 'vendor=x')).toBeUndefined();
  });

  it('brings what others say along, if that is a header at all', () => {
    const header = `00-${traceId}-${spanId}-01`;
    expect(parseTraceparent(header, 'a=1,b=2')?.traceState).toBe('a=1,b=2');
    for (const state of ['', 'a=\n', 'x'.repeat(513)]) {
      expect(parseTraceparent(header, state)?.traceState, state).toBeUndefined();
    }
  });
});

test('a trace is handed on as it came, by headers and in rows', () => {
  for (const traceState of [undefined, 'a=1, b=2']) {
    for (const sampled of [true, false]) {
      const context = { traceId, spanId, sampled, traceState };
      const { traceparent, tracestate } = traceHeaders(context);
      expect(parseTraceparent(traceparent, tracestate)).toEqual(context);
      expect(parseTrace(formatTrace(context))).toEqual(context);
    }
  }
  expect('tracestate' in traceHeaders({ traceId, spanId })).toBe(false);
  expect(parseTrace(null)).toBeUndefined();
});

test('a new trace is one that nobody records', () => {
  expect(parseTrace(formatTrace(newTrace()))?.sampled).toBe(false);
  expect(newTrace().traceId).not.toBe(newTrace().traceId);
});

it('gives each trace ids of its own', () => {
  const traces = Array.from({ length: 1000 }, newTrace);
  for (const { traceId, spanId } of traces) {
    expect(parseTraceparent(`00-${traceId}-${spanId}-00`)).toMatchObject({ traceId, spanId });
  }
  // Of both, the first eight bytes: no two are cut from the same random ones.
  const starts = traces.flatMap((trace) => [trace.traceId.slice(0, 16), trace.spanId]);
  expect(new Set(starts).size).toBe(starts.length);
});
