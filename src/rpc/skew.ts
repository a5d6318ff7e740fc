import { Gauge, type Registry } from 'prom-client';
import type { Logger } from '../telemetry/log.ts';

/** Which calls of which modules are known differently by the processes that host them. */
export interface Skew {
  /** Notes whether the last answer of a call came from a process that knows the call as we do. */
  note(module: string, call: string, sameContract: boolean): void;
  /** Calls that differ, as `payment.charge`. */
  readonly calls: readonly string[];
}

export function createSkew(registry: Registry, log: Logger): Skew {
  const differing = new Set<string>();
  const gauge = new Gauge({
    name: 'banyan_contract_skew',
    help: 'Whether the last answer of a call came from a process whose contract of it differs from ours.',
    labelNames: ['module', 'call'] as const,
    registers: [registry],
  });
  return {
    note(module, call, sameContract) {
      const name = `${module}.${call}`;
      if (sameContract !== differing.has(name)) return;
      gauge.set({ module, call }, sameContract ? 0 : 1);
      if (sameContract) {
        differing.delete(name);
        log.info({ call: name }, 'a peer knows the call as we do again');
      } else {
        differing.add(name);
        log.warn({ call: name }, 'a peer has another version of the contract');
      }
    },
    get calls() {
      return [...differing].sort();
    },
  };
}
