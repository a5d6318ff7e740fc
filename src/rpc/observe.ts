import type { Registry } from 'prom-client';
import type { Api, Contract } from './contract.ts';
// Placeholder by the lead until the real one lands; overwrite freely.
export interface CallMetrics {
  sized(call: {
    caller: string;
    module: string;
    call: string;
    inputBytes: number;
    outputBytes: number;
  }): void;
}
export function createCallMetrics(_: Registry): CallMetrics {
  return { sized: () => undefined };
}
export function observed<C extends Contract>(
  api: Api<C>,
  _: { contract: C; caller: string; mode: 'local' | 'remote'; metrics: CallMetrics },
): Api<C> {
  return api;
}
