import { collectDefaultMetrics, Histogram, Registry } from 'prom-client';

export interface HttpMetrics {
  /** `method` and `route` must come from closed sets: each combination is a time series of its own. */
  observe(request: { method: string; route: string; status: number; seconds: number }): void;
}

export interface Metrics {
  readonly registry: Registry;
  readonly http: HttpMetrics;
}

/** A registry with the process's own figures and the duration of public requests. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const duration = new Histogram({
    name: 'http_request_duration_seconds',
    help: 'Time from a request to its answer, by method, path pattern and status.',
    labelNames: ['method', 'route', 'status'] as const,
    // From a cached read to the longest wait that docs/api.md allows.
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    registers: [registry],
  });
  return {
    registry,
    http: {
      observe({ method, route, status, seconds }) {
        duration.observe({ method, route, status: String(status) }, seconds);
      },
    },
  };
}
