import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { command, query } from './contract.ts';
import { callHash, callShape, schemaShape } from './contract-shape.ts';

const input = z.object({ id: z.uuid(), count: z.int() });
const output = z.object({ state: z.enum(['open', 'closed']) });
const base = query({ input, output, errors: ['gone', 'late'] });

describe('callHash', () => {
  it('is the same in whatever order things are declared, and whatever they are called in documents', () => {
    const other = query({
      errors: ['late', 'gone'],
      output: z.object({ state: z.enum(['closed', 'open']) }).meta({ id: 'State', title: 'a state' }),
      input: z.object({ count: z.int().describe('how many'), id: z.uuid() }).meta({ id: 'Ask' }),
    });
    expect(callHash(other)).toBe(callHash(base));
    expect(callHash(base)).toMatch(/^[\w-]{22}$/);
  });

  it.each([
    ['a required member', query({ input: input.extend({ more: z.string() }), output, errors: base.errors })],
    ['an optional member', query({ input: input.partial(), output, errors: base.errors })],
    ['a member of the output', query({ input, output: output.extend({ a: z.int() }), errors: base.errors })],
    [
      'a value of an enum',
      query({ input, output: z.object({ state: z.enum(['open']) }), errors: base.errors }),
    ],
    ['a limit', query({ input: input.extend({ count: z.int().max(5) }), output, errors: base.errors })],
    ['strictness', query({ input: z.strictObject(input.shape), output, errors: base.errors })],
    ['an error', query({ input, output, errors: ['gone'] })],
    ['the kind', command({ key: 'id', input, output, errors: base.errors })],
    ['the timeout', query({ input, output, errors: base.errors, timeoutMs: 9 })],
  ])('changes with %s', (_what, spec) => {
    expect(callHash(spec)).not.toBe(callHash(base));
  });

  it('changes with the key', () => {
    const by = (key: 'id' | 'count') => callHash(command({ key, input, output, errors: [] }));
    expect(by('id')).not.toBe(by('count'));
  });
});

describe('callShape', () => {
  it('bears transforms, refinements, dates and schemas that contain themselves', () => {
    const tree = z.object({
      get children() {
        return z.array(tree);
      },
    });
    const odd = z.object({
      text: z.string().transform((text) => text.length),
      even: z.int().refine((n) => n % 2 === 0),
      at: z.date(),
      tree,
    });
    const shape = callShape(query({ input: odd, output: odd, errors: [] }));
    expect(JSON.parse(JSON.stringify(shape))).toEqual(shape);
    expect(shape.input).toMatchObject({ properties: { text: { type: 'string' }, at: {} } });
  });

  it('takes a member with a default as optional on the way in and as there on the way out', () => {
    const schema = z.object({ page: z.int().default(1) });
    expect(schemaShape(schema, 'input')).not.toHaveProperty('required');
    expect(schemaShape(schema, 'output')).toMatchObject({ required: ['page'] });
  });

  it('takes members by names that JSON Schema has a use for as what they are', () => {
    const schema = z.object({ required: z.tuple([z.literal('b'), z.literal('a')]), enum: z.string() });
    expect(schemaShape(schema, 'input')).toMatchObject({
      properties: { required: { prefixItems: [{ const: 'b' }, { const: 'a' }] }, enum: { type: 'string' } },
    });
  });
});
