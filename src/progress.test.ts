import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createProgressWatch, type ProgressWatch } from './progress.ts';

const STUCK_MS = 1_000;
let turns: number | undefined;
let watch: ProgressWatch;

beforeEach(() => {
  vi.useFakeTimers();
  turns = 0;
  watch = createProgressWatch(
    [
      { name: 'relay', turns: () => turns },
      { name: 'idler', turns: () => undefined },
    ],
    STUCK_MS,
  );
  watch.start();
});
afterEach(() => {
  watch.stop();
  vi.useRealTimers();
});

describe('progress', () => {
  it('is missed of a part that gets nothing done for too long, and seen again when it does', () => {
    vi.advanceTimersByTime(STUCK_MS);
    expect(watch.stuck).toEqual([]);
    vi.advanceTimersByTime(STUCK_MS);
    expect(watch.stuck).toEqual(['relay']);
    expect(watch.states).toEqual({ relay: 'stuck', idler: 'turning' });
    turns = 1;
    vi.advanceTimersByTime(STUCK_MS / 2);
    expect(watch.stuck).toEqual([]);
  });

  it('is not missed of a part that turns slowly, nor of one that has nothing to do', () => {
    for (let turn = 0; turn < 20; turn += 1) {
      turns = turn % 2 === 0 ? turn : undefined;
      vi.advanceTimersByTime(STUCK_MS / 2);
      expect(watch.stuck).toEqual([]);
    }
  });

  it('is not missed while the process itself stood still', () => {
    vi.advanceTimersByTime(STUCK_MS / 2);
    // One late look, as timers give after a stop.
    vi.setSystemTime(Date.now() + 100 * STUCK_MS);
    vi.advanceTimersByTime(STUCK_MS / 2);
    expect(watch.stuck).toEqual([]);
  });
});
