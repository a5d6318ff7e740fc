import { CALL_BYTES_PER_MS, CALL_ROUND_TRIP_MS, MAX_ADDED_MS, MAX_CALLS_PER_REQUEST } from './limits.ts';
import type { PlacedProcess, Placement } from './placement.ts';
import type { Traffic } from './traffic.ts';

/** What the calls of one module by another would cost where a placement sends them over the network. */
export interface NetworkCost {
  readonly traffic: Traffic;
  readonly callsPerRequest: number;
  /** Milliseconds that a request takes longer, if it makes its calls one after another. */
  readonly addedMs: number;
}

/** The calls that a placement would send over the network, the dearest first. */
export function networkCosts(placement: Placement, traffic: readonly Traffic[]): NetworkCost[] {
  return traffic
    .filter(({ caller, module }) => isRemote(placement, caller, module))
    .map((edge) => {
      const callsPerRequest = [...edge.callsPerRequest.values()].reduce((all, count) => all + count, 0);
      const callMs = CALL_ROUND_TRIP_MS + (edge.bytesPerCall ?? 0) / CALL_BYTES_PER_MS;
      return { traffic: edge, callsPerRequest, addedMs: callsPerRequest * callMs };
    })
    .sort((one, other) => other.addedMs - one.addedMs);
}

/** Whether some process that makes the calls does not host the module. What is no module calls from the edge. */
function isRemote({ processes }: Placement, caller: string, module: string): boolean {
  const hosts = (process: PlacedProcess, name: string) =>
    process.modules === 'all' || process.modules.includes(name);
  const callers = processes.filter((process) =>
    caller === 'edge' ? process.roles.includes('http') : hosts(process, caller),
  );
  return callers.some((process) => !hosts(process, module));
}

/** One sentence for each pair of modules that talk too much to be apart. */
export function chattyWarnings(costs: readonly NetworkCost[]): string[] {
  return costs.flatMap((cost) => {
    const { traffic, callsPerRequest, addedMs } = cost;
    const tooMuch = [
      ...(callsPerRequest > MAX_CALLS_PER_REQUEST ? [`more than ${MAX_CALLS_PER_REQUEST} calls`] : []),
      ...(addedMs > MAX_ADDED_MS ? [`more than ${MAX_ADDED_MS} ms`] : []),
    ];
    if (tooMuch.length === 0) return [];
    const { caller, module } = traffic;
    const byCall = [...traffic.callsPerRequest]
      .sort(([, one], [, other]) => other - one)
      .map(([call, count]) => `${call} ${count.toFixed(1)}`);
    const to = traffic.ownRequests ? ` to ${caller}` : '';
    return [
      `${caller} → ${module}: each request${to} would make ${callsPerRequest.toFixed(1)} calls over the network ` +
        `(${byCall.join(', ')}) and take ${addedMs.toFixed(1)} ms longer, ${tooMuch.join(' and ')}: ` +
        'ask once for a set, or host both in one process',
    ];
  });
}
