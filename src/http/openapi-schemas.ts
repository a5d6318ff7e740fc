import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { invariant } from '../errors.ts';

export type JsonSchema = z.core.JSONSchema.JSONSchema;

/** Collects the named schemas of a document, and turns zod schemas into references to them. */
export interface SchemaComponents {
  readonly schemas: Readonly<Record<string, JsonSchema>>;
  /** The JSON Schema of what a client sends (`input`) or gets (`output`). */
  add(schema: z.ZodType, io: 'input' | 'output'): JsonSchema;
  addNamed(name: string, schema: JsonSchema): JsonSchema;
}

export function createSchemaComponents(): SchemaComponents {
  const schemas: Record<string, JsonSchema> = {};

  function addNamed(name: string, schema: JsonSchema): JsonSchema {
    const known = schemas[name];
    invariant(known === undefined || isDeepStrictEqual(known, schema), `one schema is called ${name}`);
    schemas[name] = schema;
    return { $ref: `#/components/schemas/${name}` };
  }

  return {
    schemas,
    addNamed,
    add(schema, io) {
      const {
        $schema,
        $defs = {},
        ...root
      } = z.toJSONSchema(schema, {
        io,
        target: 'draft-2020-12',
        unrepresentable: 'any',
        override: ({ jsonSchema }) => {
          // The format says it; the pattern that zod adds would fill a screen.
          if (jsonSchema.format === 'uuid' || jsonSchema.format === 'date-time') delete jsonSchema.pattern;
        },
      });
      // What clients send and what they get differ in strictness and defaults, so the two have names of their own.
      const suffix = io === 'input' ? 'Input' : '';
      const named = Object.keys($defs);
      const refer = (part: JsonSchema) => rename(part, new Map(named.map((name) => [name, name + suffix])));
      for (const [name, definition] of Object.entries($defs)) addNamed(name + suffix, refer(definition));
      return refer(root);
    },
  };
}

/** Points `#/$defs/X` at the document's components. */
function rename(schema: JsonSchema, names: ReadonlyMap<string, string>): JsonSchema {
  const text = JSON.stringify(schema);
  return JSON.parse(text, (key, value: unknown) => {
    if (key !== '$ref' || typeof value !== 'string' || !value.startsWith('#/$defs/')) return value;
    const name = value.slice('#/$defs/'.length);
    return `#/components/schemas/${names.get(name) ?? name}`;
  }) as JsonSchema;
}
