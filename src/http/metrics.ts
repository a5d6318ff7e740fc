import { AggregatorRegistry, collectDefaultMetrics, Registry } from 'prom-client';
import { platformMetrics } from '../telemetry/catalogue.ts';
import { counterOf, gaugeOf, histogramOf } from '../telemetry/instruments.ts';
import { version } from '../version.ts';
import { type Refusal, refusals } from './refusal.ts';

export interface HttpMetrics {
  /** One request more, or one less, is being answered. */
  inFlight(change: 1 | -1): void;
  /** `method` and `route` must come from closed sets: each combination is a time series of its own. */
  observe(request: ObservedRequest): void;
  /** A request of another process's client, measured where it is answered. */
  observeForwarded(request: ObservedRequest): void;
}

export interface ObservedRequest {
  readonly method: string;
  readonly route: string;
  readonly status: number;
  readonly seconds: number;
  /** Why it was turned away, if it was. */
  readonly refusal?: Refusal;
}

export interface Metrics {
  readonly registry: Registry;
  readonly http: HttpMetrics;
  /** What a scrape of this process gets, as Prometheus reads it. */
  render(): Promise<string>;
}

/** What one process has measured, in a form that travels between processes. */
export type MetricsSnapshot = Awaited<ReturnType<Registry['getMetricsAsJSON']>>;

/** A registry with the process's own figures and those of public requests. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  gaugeOf(registry, platformMetrics.buildInfo).set({ version }, 1);
  const duration = histogramOf(registry, platformMetrics.requestDuration);
  const forwarded = histogramOf(registry, platformMetrics.forwardedDuration);
  const inFlight = gaugeOf(registry, platformMetrics.requestsInFlight);
  const refused = counterOf(registry, platformMetrics.requestsRefused);
  for (const reason of refusals) refused.inc({ reason }, 0);
  const observeIn = (target: typeof duration) => (request: ObservedRequest) => {
    const { method, route, status, seconds, refusal } = request;
    target.observe({ method, route, status: String(status) }, seconds);
    if (refusal) refused.inc({ reason: refusal });
  };
  return {
    registry,
    http: {
      observe: observeIn(duration),
      observeForwarded: observeIn(forwarded),
      inFlight: (change) => inFlight.inc(change),
    },
    render: () => registry.metrics(),
  };
}

/**
 * The text of several processes' metrics. Each series is labelled with its process's number and none is summed: so
 * a process that starts anew, or is missing once, resets no counter but its own, and rates stay true.
 */
export async function renderTogether(snapshots: ReadonlyMap<number, MetricsSnapshot>): Promise<string> {
  const inOrder = [...snapshots].sort(([one], [other]) => one - other);
  const labelled = inOrder.map(([worker, metrics]) =>
    metrics.map((metric) => ({
      ...metric,
      // With a label of their own no two values meet, so this adds up nothing; other ways leave metrics out.
      aggregator: 'sum',
      values: metric.values.map((value) => ({ ...value, labels: { ...value.labels, worker } })),
    })),
  );
  return await AggregatorRegistry.aggregate(labelled).metrics();
}
