import type { Hono } from 'hono';
import { invariant } from '../errors.ts';
import type { MetricSpec } from '../telemetry/instruments.ts';
import { readMetrics, type Sample } from '../telemetry/read-metrics.ts';

/** What a scrape of this operations port tells of the shop itself; Node's own figures left out. */
export async function scrape(opsApp: Hono): Promise<Sample[]> {
  const answer = await opsApp.request('/metrics');
  invariant(answer.status === 200, `a scrape is answered: ${answer.status}`);
  return readMetrics(await answer.text()).filter(({ name }) => /^(banyan|http)_/.test(name));
}

/** What of the samples the catalogue does not know, and by which labels. */
export function unknownIn(samples: readonly Sample[], catalogue: readonly MetricSpec[]): string[] {
  return samples
    .filter(({ name, labels }) => {
      const spec = catalogue.find((each) => each.name === familyOf(name, catalogue));
      const names = Object.keys(labels).filter((label) => label !== 'le');
      return spec === undefined || names.sort().join() !== Object.keys(spec.labels).sort().join();
    })
    .map(({ name, labels }) => `${name}{${Object.keys(labels).join()}}`);
}

/** The metrics that have samples here. */
export function toldBy(samples: readonly Sample[], catalogue: readonly MetricSpec[]): Set<string> {
  return new Set(samples.map(({ name }) => familyOf(name, catalogue)));
}

function familyOf(sample: string, catalogue: readonly MetricSpec[]): string {
  const family = sample.replace(/_(bucket|sum|count)$/, '');
  return catalogue.some(({ kind, name }) => kind === 'histogram' && name === family) ? family : sample;
}
