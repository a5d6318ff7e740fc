import { Registry } from 'prom-client';
import { expect, it } from 'vitest';
import { SKEW_KEEP_MS } from '../limits.ts';
import { createLogger } from '../telemetry/log.ts';
import { createSkew } from './skew.ts';

it('tells of a difference once while processes of two versions answer by turns, and when it is over', async () => {
  const registry = new Registry();
  const logged: string[] = [];
  const destination = { write: (line: string) => void logged.push(JSON.parse(line).msg) };
  const log = createLogger({ level: 'info', destination });
  let now = 0;
  const skew = createSkew(registry, log, () => now);
  for (let answers = 0; answers < 10; answers += 1) skew.note('till', 'charge', answers % 2 === 0);
  expect(logged).toEqual(['a peer has another version of the contract']);
  now = SKEW_KEEP_MS - 1;
  skew.note('till', 'charge', true);
  expect(skew.calls).toEqual(['till.charge']);
  now = SKEW_KEEP_MS;
  skew.note('till', 'charge', true);
  expect(skew.calls).toEqual([]);
  expect(await registry.metrics()).toContain('banyan_contract_skew{module="till",call="charge"} 0');
  expect(logged).toHaveLength(2);
});
