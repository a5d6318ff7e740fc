import { describe, expect, it } from 'vitest';
import { readPatience } from './prefer.ts';

describe('Prefer', () => {
  it.each([
    [null, 5_000, false],
    ['wait=0', 0, true],
    ['wait=12', 12_000, true],
    ['Wait = "7"', 7_000, true],
    ['wait=31', 30_000, true],
    ['wait=999999', 30_000, true],
    ['respond-async', 0, true],
    ['wait=10, respond-async', 0, true],
    ['return=minimal, wait=3; foo', 3_000, true],
    ['wait=-1', 5_000, false],
    ['wait=soon', 5_000, false],
  ])('%s waits %i ms', (header, waitMs, named) => {
    expect(readPatience(header)).toEqual({ waitMs, named });
  });
});
