import type { SpanOptions } from '../telemetry/trace.ts';

/** How calls between modules stand in a trace, by the conventions for RPC. */
export interface CallSpan {
  /** As `order/receipts`. */
  readonly name: string;
  readonly options: SpanOptions;
}

/** `internal` is a call in one process, which has no other side. */
export function callSpan(
  kind: 'internal' | 'client' | 'server',
  call: { readonly module: string; readonly call: string; readonly caller?: string },
): CallSpan {
  const name = `${call.module}/${call.call}`;
  const attributes = { 'rpc.system.name': 'banyan', 'rpc.method': name, 'banyan.caller': call.caller };
  return { name, options: { kind, attributes } };
}
