import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { CallSpec } from './contract.ts';

/** A JSON Schema, or any part of one, with its keys in order. */
export type JsonShape = null | boolean | number | string | readonly JsonShape[] | JsonObjectShape;
export interface JsonObjectShape {
  readonly [key: string]: JsonShape;
}

/** What of a call both sides must agree on. Plain JSON; two calls with the same shape have the same text. */
export interface CallShape {
  readonly kind: 'query' | 'command';
  readonly key?: string;
  readonly input: JsonShape;
  readonly output: JsonShape;
  readonly errors: readonly string[];
  readonly timeoutMs?: number;
}

/**
 * The shape of a call. The order of members, titles and descriptions change nothing in it, as they change nothing
 * between processes. Refinements and transforms in code can not be seen in it, nor may a contract rest on them.
 */
export function callShape(spec: CallSpec): CallShape {
  return {
    kind: spec.kind,
    ...(spec.key === undefined ? {} : { key: spec.key }),
    input: schemaShape(spec.input, 'input'),
    output: schemaShape(spec.output, 'output'),
    errors: [...spec.errors].sort(),
    ...(spec.timeoutMs === undefined ? {} : { timeoutMs: spec.timeoutMs }),
  };
}

const hashes = new WeakMap<CallSpec, string>();

/** 22 characters that differ when the call's shape does. Made once for each spec. */
export function callHash(spec: CallSpec): string {
  let hash = hashes.get(spec);
  if (hash === undefined) {
    const digest = createHash('sha256')
      .update(JSON.stringify(callShape(spec)))
      .digest('base64url');
    hash = digest.slice(0, 22);
    hashes.set(spec, hash);
  }
  return hash;
}

/**
 * The JSON Schema of what a schema takes (`input`) or gives (`output`). `additionalProperties` is false only where
 * a value with an unknown member is refused: other objects drop it, so that members can be added later.
 */
export function schemaShape(schema: z.ZodType, io: 'input' | 'output'): JsonShape {
  const json = z.toJSONSchema(schema, {
    io,
    unrepresentable: 'any',
    // An empty registry: names and descriptions in zod's own would come along, and named schemas apart.
    metadata: z.registry(),
    override({ zodSchema, jsonSchema }) {
      const { def } = zodSchema._zod;
      if (io === 'output' && def.type === 'object' && def.catchall === undefined) {
        delete jsonSchema.additionalProperties;
      }
      // Patterns of formats are zod's, and differ from one release of it to the next.
      if (jsonSchema.format !== undefined) delete jsonSchema.pattern;
    },
  });
  delete json.$schema;
  return canonical(json as JsonShape);
}

/** Lists whose order means nothing. */
const sets = new Set(['required', 'enum', 'anyOf', 'oneOf', 'allOf', 'type']);

function canonical(shape: JsonShape, name = ''): JsonShape {
  if (Array.isArray(shape)) {
    const items = shape.map((item: JsonShape) => canonical(item));
    return sets.has(name) ? items.sort(byText) : items;
  }
  if (typeof shape !== 'object' || shape === null) return shape;
  const members = Object.entries(shape as JsonObjectShape).map(
    // The members of `properties` and `$defs` have names of the trade, which may be anything.
    ([key, value]) => [key, canonical(value, isNames(name) ? '' : key)] as const,
  );
  return Object.fromEntries(members.sort(([a], [b]) => (a < b ? -1 : 1)));
}

const isNames = (name: string) => name === 'properties' || name === '$defs';

function byText(a: JsonShape, b: JsonShape): number {
  const [textA, textB] = [JSON.stringify(a), JSON.stringify(b)];
  return textA < textB ? -1 : Number(textA > textB);
}
