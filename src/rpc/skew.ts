import type { Registry } from 'prom-client';
import { SKEW_KEEP_MS } from '../limits.ts';
import { platformMetrics } from '../telemetry/catalogue.ts';
import { gaugeOf } from '../telemetry/instruments.ts';
import type { Logger } from '../telemetry/log.ts';

/** Which calls of which modules are known differently by the processes that host them. */
export interface Skew {
  /** Notes whether the last answer of a call came from a process that knows the call as we do. */
  note(module: string, call: string, sameContract: boolean): void;
  /** Calls that differ, as `payment.charge`. */
  readonly calls: readonly string[];
}

/** A difference stays until no process has shown it for SKEW_KEEP_MS; `now` is monotonic, in milliseconds. */
export function createSkew(registry: Registry, log: Logger, now = () => performance.now()): Skew {
  /** When each call was last seen to differ. While a module's processes are replaced, both kinds answer by turns. */
  const differing = new Map<string, number>();
  const gauge = gaugeOf(registry, platformMetrics.contractSkew);
  return {
    note(module, call, sameContract) {
      const name = `${module}.${call}`;
      const seenAt = differing.get(name);
      if (!sameContract) {
        differing.set(name, now());
        if (seenAt !== undefined) return;
        gauge.set({ module, call }, 1);
        log.warn({ call: name }, 'a peer has another version of the contract');
      } else if (seenAt !== undefined && now() - seenAt >= SKEW_KEEP_MS) {
        differing.delete(name);
        gauge.set({ module, call }, 0);
        log.info({ call: name }, 'all peers know the call as we do again');
      }
    },
    get calls() {
      return [...differing.keys()].sort();
    },
  };
}
