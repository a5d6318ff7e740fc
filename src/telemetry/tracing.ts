import type { Config } from '../config.ts';
import { withDeadline } from '../deadline.ts';
import { TRACES_FLUSH_MS } from '../limits.ts';
import type { Logger } from './log.ts';
import { recordSpans } from './trace.ts';

export interface Tracing {
  /** Sends what is left, for TRACES_FLUSH_MS at most, and ends. Never rejects. */
  stop(): Promise<void>;
}

/**
 * Records traces from here on, if the configuration says where to send them. Only then is OpenTelemetry loaded: its
 * modules are many, and most shops start without a collector. A collector that is away costs no request anything.
 */
export async function startTracing(
  config: Pick<Config, 'traces' | 'modules' | 'roles'>,
  log: Logger,
): Promise<Tracing> {
  const { traces } = config;
  if (traces === undefined) return { stop: async () => undefined };
  const { startSdk } = await import('./tracing-sdk.ts');
  const sdk = startSdk(
    traces,
    { 'banyan.modules': config.modules ?? ['all'], 'banyan.roles': config.roles },
    log,
  );
  recordSpans(sdk.recorder);
  return {
    async stop() {
      recordSpans(undefined);
      await withDeadline(sdk.shutdown(), TRACES_FLUSH_MS, 'the collector').catch((error: unknown) =>
        log.warn({ err: error }, 'the last traces were not sent'),
      );
    },
  };
}
