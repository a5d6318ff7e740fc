import { diag, isSpanContextValid, trace } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { envDetector, hostDetector, serviceInstanceIdDetector } from '@opentelemetry/resources';
import { NodeSDK } from '@opentelemetry/sdk-node';
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  ParentBasedSampler,
  type Sampler,
  type SpanExporter,
  TraceIdRatioBasedSampler,
} from '@opentelemetry/sdk-trace';
import type { TracesConfig } from '../config.ts';
import { version } from '../version.ts';
import type { Logger } from './log.ts';
import { createRecorder } from './recorder.ts';
import type { Recorder } from './trace.ts';

/**
 * Starts OpenTelemetry's SDK for this process. What our settings do not say, it reads from the environment itself, as
 * OTEL_RESOURCE_ATTRIBUTES, OTEL_BSP_* and OTEL_EXPORTER_OTLP_TIMEOUT. Its batches are bounded: 2,048 spans wait at
 * most, and what comes while a collector is away is dropped.
 */
export function startSdk(
  config: TracesConfig,
  attributes: Readonly<Record<string, readonly string[]>>,
  log: Logger,
): { recorder: Recorder | undefined; shutdown(): Promise<void> } {
  const sdk = new NodeSDK({
    traceExporter: withOneWarning(
      new OTLPTraceExporter({ url: config.url, headers: { ...config.headers } }),
      log,
    ),
    sampler: samplerOf(config.sampler),
    // Metrics are Prometheus's to fetch, and logs go to standard output.
    metricReaders: [],
    logRecordProcessors: [],
    // Our own context and headers carry the trace.
    textMapPropagator: null,
    serviceName: config.serviceName,
    // Not the SDK's own choice: that has the command line, and passwords may stand there.
    resourceDetectors: [
      serviceInstanceIdDetector,
      hostDetector,
      { detect: () => ({ attributes: { 'service.version': version, ...copied(attributes) } }) },
      envDetector,
    ],
  });
  sdk.start();
  // What the SDK says of itself; set after its start, which would let OTEL_LOG_LEVEL print. Failures are told below.
  const tell = (message: string) => log.debug({ message }, 'OpenTelemetry');
  diag.setLogger(
    { error: tell, warn: tell, info: tell, debug: tell, verbose: tell },
    { suppressOverrideMessage: true },
  );
  const tracer = trace.getTracer('banyan', version);
  // OTEL_SDK_DISABLED makes one that gives no ids. This span is never ended, so it is never sent.
  const isOn = isSpanContextValid(tracer.startSpan('probe').spanContext());
  return {
    recorder: isOn ? createRecorder(tracer) : undefined,
    async shutdown() {
      // First, as a collector that is away makes the rest last: a later start in this process registers anew.
      trace.disable();
      diag.disable();
      await sdk.shutdown();
    },
  };
}

function samplerOf({ name, ratio }: TracesConfig['sampler']): Sampler {
  if (name.startsWith('parentbased_')) return new ParentBasedSampler({ root: rootSamplerOf(name, ratio) });
  return rootSamplerOf(name, ratio);
}

function rootSamplerOf(name: TracesConfig['sampler']['name'], ratio: number): Sampler {
  if (name.endsWith('always_off')) return new AlwaysOffSampler();
  return name.endsWith('traceidratio') ? new TraceIdRatioBasedSampler(ratio) : new AlwaysOnSampler();
}

/** The exporter, telling once that its collector is away, and once that it is back. */
function withOneWarning(exporter: SpanExporter, log: Logger): SpanExporter {
  let isAway = false;
  return {
    export(spans, done) {
      exporter.export(spans, (result) => {
        const failed = result.error !== undefined || result.code !== 0;
        // The message only: what else it carries may hold the headers.
        if (failed && !isAway)
          log.warn({ reason: result.error?.message }, 'traces are lost: the collector does not take them');
        if (!failed && isAway) log.info('the collector takes traces again');
        isAway = failed;
        done(result);
      });
    },
    shutdown: () => exporter.shutdown(),
    forceFlush: async () => await exporter.forceFlush?.(),
  };
}

function copied(attributes: Readonly<Record<string, readonly string[]>>): Record<string, string[]> {
  return Object.fromEntries(Object.entries(attributes).map(([name, values]) => [name, [...values]]));
}
