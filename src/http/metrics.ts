import { AggregatorRegistry, collectDefaultMetrics, Histogram, Registry } from 'prom-client';

export interface HttpMetrics {
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
}

export interface Metrics {
  readonly registry: Registry;
  readonly http: HttpMetrics;
  /** What a scrape of this process gets, as Prometheus reads it. */
  render(): Promise<string>;
}

/** What one process has measured, in a form that travels between processes. */
export type MetricsSnapshot = Awaited<ReturnType<Registry['getMetricsAsJSON']>>;

/** A registry with the process's own figures and the duration of public requests. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const histogram = (name: string, help: string) =>
    new Histogram({
      name,
      help,
      labelNames: ['method', 'route', 'status'] as const,
      // From a cached read to the longest wait that docs/api.md allows.
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
      registers: [registry],
    });
  const duration = histogram(
    'http_request_duration_seconds',
    'Time from a request to its answer, by method, path pattern and status.',
  );
  const forwarded = histogram(
    'banyan_forwarded_request_duration_seconds',
    'The same for requests that came in at another process and are answered here.',
  );
  const observeIn = (target: typeof duration) => (request: ObservedRequest) =>
    target.observe(
      { method: request.method, route: request.route, status: String(request.status) },
      request.seconds,
    );
  return {
    registry,
    http: { observe: observeIn(duration), observeForwarded: observeIn(forwarded) },
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
