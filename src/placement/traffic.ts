import { fullPath } from '../http/route-path.ts';
import type { AnyModule } from '../module.ts';
import type { Sample } from '../telemetry/read-metrics.ts';

/** The calls of one module by another while a shop ran. */
export interface Traffic {
  readonly caller: string;
  readonly module: string;
  /** Calls of each kind for each request that the caller's routes answered; for any request if it answered none. */
  readonly callsPerRequest: ReadonlyMap<string, number>;
  /** Whether the requests are the caller's own. */
  readonly ownRequests: boolean;
  /** Of one call, both ways; undefined where no call's size was measured. */
  readonly bytesPerCall: number | undefined;
}

/**
 * What the metrics of a running shop say of the calls between its modules. Empty when there were no calls or no
 * requests. Calls of background work count as well, as if the caller's requests had made them.
 */
export function readTraffic(samples: readonly Sample[], modules: readonly AnyModule[]): Traffic[] {
  const requests = samples.filter(({ name }) => name === 'http_request_duration_seconds_count');
  const allRequests = sum(requests);
  if (allRequests === 0) return [];
  const calls = samples.filter(({ name }) => name === 'banyan_call_duration_seconds_count');
  const edges = Map.groupBy(calls, ({ labels }) => `${labels.caller} ${labels.module}`);
  return [...edges.values()].map((edge) => {
    const { caller = '', module = '' } = edge[0]!.labels;
    const own = sum(requests.filter(({ labels }) => routesOf(caller, modules).has(labels.route ?? '')));
    const count = own || allRequests;
    const byCall = Map.groupBy(edge, ({ labels }) => labels.call ?? '');
    return {
      caller,
      module,
      callsPerRequest: new Map([...byCall].map(([call, made]) => [call, sum(made) / count])),
      ownRequests: own > 0,
      bytesPerCall: bytesPerCall(samples, caller, module),
    };
  });
}

function routesOf(caller: string, modules: readonly AnyModule[]): Set<string> {
  const routes = modules.find(({ contract }) => contract.module === caller)?.routes ?? {};
  return new Set(Object.values<Parameters<typeof fullPath>[0]>(routes).map(fullPath));
}

function bytesPerCall(samples: readonly Sample[], caller: string, module: string): number | undefined {
  const total = (wanted: string) =>
    sum(
      samples.filter(
        ({ name, labels }) => name === wanted && labels.caller === caller && labels.module === module,
      ),
    );
  const sized = total('banyan_call_sized_total');
  return sized === 0 ? undefined : total('banyan_call_bytes_total') / sized;
}

function sum(samples: readonly Sample[]): number {
  return samples.reduce((total, { value }) => total + value, 0);
}
