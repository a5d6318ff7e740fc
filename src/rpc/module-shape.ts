import { type EventType, versionsOf } from '../events/event.ts';
import type { Contract } from './contract.ts';
import { type CallShape, callShape, type JsonShape, schemaShape } from './contract-shape.ts';

/** Everything that other processes know of a module, as plain JSON: what its contract snapshot holds. */
export interface ModuleShape {
  /** The calls that it makes, by the module that answers them. */
  readonly needs: Readonly<Record<string, readonly string[]>>;
  /** Types of the events it handles. */
  readonly consumes: readonly string[];
  readonly calls: Readonly<Record<string, CallShape>>;
  /** Every version of the events it sends, by type. */
  readonly events: Readonly<Record<string, EventShape>>;
}

export interface EventShape {
  readonly data: JsonShape;
  /** The version before, whose events are read as this one's. */
  readonly older?: string;
}

/** The shape of a module of these parts; `needs` holds the contracts as the module uses them. */
export function moduleShape(
  module: { readonly contract: Contract; readonly needs: Readonly<Record<string, Contract>> },
  events: readonly EventType[],
): ModuleShape {
  const { contract, needs } = module;
  const versions = new Map(events.flatMap(versionsOf).map((event) => [event.type, event]));
  return {
    needs: byName(Object.values(needs).map((need) => [need.module, Object.keys(need.calls).sort()])),
    consumes: [...contract.consumes].sort(),
    calls: byName(Object.entries(contract.calls).map(([name, spec]) => [name, callShape(spec)])),
    events: byName([...versions.values()].map((event) => [event.type, eventShape(event)])),
  };
}

function eventShape({ data, older }: EventType): EventShape {
  // As a reader takes it, so that a member with a default may be absent from what was sent before.
  return { data: schemaShape(data, 'input'), ...(older ? { older: older.from.type } : {}) };
}

function byName<Value>(entries: readonly (readonly [string, Value])[]): Record<string, Value> {
  return Object.fromEntries([...entries].sort(([a], [b]) => (a < b ? -1 : 1)));
}
