import fc from 'fast-check';

/** The part of JSON Schema that our OpenAPI document uses. */
export interface JsonSchema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly allOf?: readonly JsonSchema[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | JsonSchema;
  readonly items?: JsonSchema;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly format?: string;
  readonly pattern?: string;
}

const named: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  uuid: fc.uuid({ version: 7 }),
  email: fc.emailAddress({ size: 'small' }),
  'date-time': fc
    .date({ min: new Date(0), max: new Date(2 ** 41), noInvalidDate: true })
    .map((at) => at.toISOString()),
};

/** Values that fit `schema`, as far as it says; `refs` resolves `#/components/...`. */
export function valuesOf(schema: JsonSchema, refs: (ref: string) => JsonSchema): fc.Arbitrary<unknown> {
  if (schema.$ref !== undefined) return valuesOf(refs(schema.$ref), refs);
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.enum) return fc.constantFrom(...schema.enum);
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices) return fc.oneof(...choices.map((choice) => valuesOf(choice, refs)));
  const types = typeof schema.type === 'string' ? [schema.type] : (schema.type ?? ['object']);
  return fc.oneof(...types.map((type) => valuesOfType(type, schema, refs)));
}

function valuesOfType(
  type: string,
  schema: JsonSchema,
  refs: (ref: string) => JsonSchema,
): fc.Arbitrary<unknown> {
  switch (type) {
    case 'null':
      return fc.constant(null);
    case 'boolean':
      return fc.boolean();
    case 'integer':
    case 'number': {
      const min =
        schema.minimum ?? (schema.exclusiveMinimum === undefined ? -1_000_000 : schema.exclusiveMinimum + 1);
      return fc.integer({ min: Math.ceil(min), max: Math.min(schema.maximum ?? 1_000_000, 1_000_000) });
    }
    case 'string':
      return strings(schema);
    case 'array':
      return fc.array(valuesOf(schema.items ?? {}, refs), {
        minLength: schema.minItems ?? 0,
        maxLength: Math.min(schema.maxItems ?? 3, Math.max(schema.minItems ?? 0, 3)),
      });
    default:
      return objects(schema, refs);
  }
}

function strings(schema: JsonSchema): fc.Arbitrary<unknown> {
  const format = schema.format === undefined ? undefined : named[schema.format];
  if (format) return format;
  if (schema.pattern === '^[A-Z]{3}$') return fc.constantFrom('GBP', 'EUR', 'JPY');
  const minLength = schema.minLength ?? 0;
  const maxLength = Math.min(schema.maxLength ?? 40, Math.max(minLength, 40));
  return fc.string({ minLength, maxLength, unit: 'grapheme' });
}

function objects(schema: JsonSchema, refs: (ref: string) => JsonSchema): fc.Arbitrary<unknown> {
  const members = Object.entries(schema.properties ?? {}).map(([name, member]) => [
    name,
    valuesOf(member, refs),
  ]);
  return fc.record(Object.fromEntries(members), { requiredKeys: [...(schema.required ?? [])] as never[] });
}

/** Values that a careless or hostile client sends where something else was asked for. */
export const hostileValues: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    true,
    0,
    -1,
    0.5,
    2 ** 53,
    1e308,
    '',
    ' ',
    '\u0000',
    '\ud800',
    "'; drop table users.account; --",
    '../../etc/passwd',
    '%00%2e%2e%2f',
    '<script>alert(1)</script>',
    '{{constructor}}',
    'a'.repeat(5_000),
    'NaN',
    '1e309',
    [],
    {},
    [[[[[[]]]]]],
    { $ne: null },
    { toString: 'x', constructor: { prototype: 1 } },
  ),
  fc.jsonValue({ maxDepth: 3 }),
  fc.string({ unit: 'binary', maxLength: 30 }),
);
