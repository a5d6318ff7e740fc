import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { createLifecycle, type Part } from './lifecycle.ts';

const log = pino({ level: 'silent' });

function createParts(
  names: readonly string[],
  trail: string[],
  faults: Partial<Record<string, Error>> = {},
): Part[] {
  return names.map((name) => ({
    name,
    start() {
      trail.push(`start ${name}`);
      const fault = faults[`start ${name}`];
      if (fault) throw fault;
    },
    async stop() {
      trail.push(`stop ${name}`);
      const fault = faults[`stop ${name}`];
      if (fault) throw fault;
    },
  }));
}

describe('lifecycle', () => {
  it('starts in order, is ready then, and stops in reverse', async () => {
    const trail: string[] = [];
    const lifecycle = createLifecycle(createParts(['a', 'b'], trail), log);
    expect(lifecycle.ready).toBe(false);
    await lifecycle.start();
    expect(lifecycle.ready).toBe(true);
    await lifecycle.stop();
    expect(lifecycle.ready).toBe(false);
    expect(trail).toEqual(['start a', 'start b', 'stop b', 'stop a']);
  });

  it('stops what was started when a later part fails', async () => {
    const trail: string[] = [];
    const parts = createParts(['a', 'b', 'c'], trail, { 'start b': new Error('port taken') });
    await expect(createLifecycle(parts, log).start()).rejects.toThrow('port taken');
    expect(trail).toEqual(['start a', 'start b', 'stop a']);
  });

  it('goes on stopping when one part fails to stop', async () => {
    const trail: string[] = [];
    const lifecycle = createLifecycle(createParts(['a', 'b'], trail, { 'stop b': new Error('stuck') }), log);
    await lifecycle.start();
    await lifecycle.stop();
    expect(trail.at(-1)).toBe('stop a');
  });
});
