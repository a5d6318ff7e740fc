import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

type Kind = 'counter' | 'gauge' | 'histogram';

/** Which processes of a shop tell a metric. */
export const tellers = {
  every: 'every process',
  hosting: 'processes that host modules',
  workers: 'workers',
  redis: 'with `REDIS_URL`',
  tls: 'with `TLS_CERT`',
  queues: 'workers with `REDIS_URL`',
  peers: 'with `PEERS`',
  shadow: 'with `SHADOW_RATIO`',
  seen: 'once it was seen',
} as const;

/**
 * A metric as it is declared, once: from this it is registered, described in docs/metrics.md and held against what a
 * running shop tells. The values of each label are a closed set, known from the code and never from a request.
 */
export interface MetricSpec<K extends Kind = Kind, Label extends string = string> {
  readonly kind: K;
  readonly name: string;
  readonly help: string;
  /** By label: its values, for people. */
  readonly labels: Readonly<Record<Label, string>>;
  readonly toldBy: keyof typeof tellers;
  /** Upper bounds, of a histogram. */
  readonly buckets?: readonly number[];
}

type Declared<K extends Kind, Label extends string> = Omit<MetricSpec<K, Label>, 'kind'>;

export function counter<Label extends string>(
  spec: Declared<'counter', Label>,
): MetricSpec<'counter', Label> {
  return { kind: 'counter', ...spec };
}

export function gauge<Label extends string>(spec: Declared<'gauge', Label>): MetricSpec<'gauge', Label> {
  return { kind: 'gauge', ...spec };
}

export function histogram<Label extends string>(
  spec: Declared<'histogram', Label> & { readonly buckets: readonly number[] },
): MetricSpec<'histogram', Label> {
  return { kind: 'histogram', ...spec };
}

/**
 * The counter of a registry; the modules of one process share it. With `collect` its value is kept elsewhere, and set
 * from nothing at each scrape.
 */
export function counterOf<Label extends string>(
  registry: Registry,
  spec: MetricSpec<'counter', Label>,
  collect?: (counter: Counter<Label>) => void,
): Counter<Label> {
  const known = registry.getSingleMetric(spec.name) as Counter<Label> | undefined;
  if (known !== undefined) return known;
  const options = optionsOf(registry, spec);
  if (collect === undefined) return new Counter(options);
  return new Counter({
    ...options,
    collect() {
      this.reset();
      collect(this);
    },
  });
}

/**
 * The gauge of a registry. `collect` sets it at each scrape, and never rejects: that would end the whole scrape. The
 * values of the scrape before are gone by then, so what it cannot tell is left out.
 */
export function gaugeOf<Label extends string>(
  registry: Registry,
  spec: MetricSpec<'gauge', Label>,
  collect?: (gauge: Gauge<Label>) => Promise<void> | void,
): Gauge<Label> {
  const known = registry.getSingleMetric(spec.name) as Gauge<Label> | undefined;
  if (known !== undefined) return known;
  const options = optionsOf(registry, spec);
  if (collect === undefined) return new Gauge(options);
  return new Gauge({
    ...options,
    async collect() {
      this.reset();
      await collect(this);
    },
  });
}

/** The histogram of a registry; the modules of one process share it. */
export function histogramOf<Label extends string>(
  registry: Registry,
  spec: MetricSpec<'histogram', Label>,
): Histogram<Label> {
  const known = registry.getSingleMetric(spec.name) as Histogram<Label> | undefined;
  return known ?? new Histogram({ ...optionsOf(registry, spec), buckets: [...(spec.buckets ?? [])] });
}

function optionsOf<Label extends string>(registry: Registry, spec: MetricSpec<Kind, Label>) {
  const { name, help, labels } = spec;
  return { name, help, labelNames: Object.keys(labels) as Label[], registers: [registry] };
}
