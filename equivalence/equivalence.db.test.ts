import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { unprovoked, unpublished } from './codes.ts';
import { firstDifference } from './compare.ts';
import { placements, splitOverGrpc } from './placements.ts';
import { DEFAULT_SEED, DEFAULT_STEPS, type Recording, record } from './record.ts';

/** A dozen processes that share two cores with another test file. */
const RUN_MS = 300_000;
/** As `order:id#7 3 order.paid.v1 {…} → notification done, product done`. */
const EVENT = /^\w+:id#\d+ \d+ ([\w.]+) \{.*\} → .+$/;
const folder = mkdtempSync(join(tmpdir(), 'banyan-equivalence-'));

const recordIn = (placement: string): Promise<Recording> =>
  record(placement, {
    postgresUrl: inject('postgresUrl'),
    redisUrl: inject('redisUrl'),
    folder,
    seed: DEFAULT_SEED,
    steps: DEFAULT_STEPS,
  });

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('the scenario suite', () => {
  const [first = 'monolith', ...others] = placements;
  let monolith: Recording;

  beforeAll(async () => {
    monolith = await recordIn(first);
  }, RUN_MS);

  it('provokes every error that a client can provoke', () => {
    expect(unprovoked(monolith.codes)).toEqual([]);
  });

  it('has every event that a module waits for, and delivers each of them', () => {
    const events = monolith.lines.filter((line) => EVENT.test(line));
    expect(unpublished(new Set(events.map((line) => EVENT.exec(line)![1]!)))).toEqual([]);
    expect(events.filter((line) => /pending|leased|parked|skipped/.test(line))).toEqual([]);
  });

  it('leaves every invariant whole, and meets no fault of the shop', () => {
    expect(monolith.lines).toContain('audit: every invariant holds');
    expect(monolith.lines.filter((line) => /^< 5\d\d$/.test(line))).toEqual([]);
  });

  it.each([...others, splitOverGrpc])(
    'has the same transcript in %s',
    async (placement) => {
      const difference = firstDifference(monolith, await recordIn(placement));
      expect(difference, difference).toBeUndefined();
    },
    RUN_MS,
  );
});
