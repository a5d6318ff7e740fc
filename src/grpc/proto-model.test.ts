import { expect, it } from 'vitest';
import { z } from 'zod';
import { query } from '../rpc/contract.ts';
import { type FieldNumbers, numbersOf } from './field-numbers.ts';
import { type ProtoFile, protoOf } from './proto-model.ts';
import { protoText } from './proto-text.ts';

/** The file of a contract whose one query takes this, with the numbers that others have left. */
function fileOf(members: z.ZodRawShape, numbers: FieldNumbers = {}): ProtoFile {
  const look = query({ input: z.object(members), output: z.object({}), errors: [] });
  return protoOf({ module: 'till', calls: { look } }, numbers)!;
}

const numbersAfter = (members: z.ZodRawShape, before: FieldNumbers = {}): FieldNumbers =>
  numbersOf([fileOf(members, before)], before);

const inputOf = (numbers: FieldNumbers) => numbers['banyan.till.v1.LookRequest'];
const request = (file: ProtoFile) => /message LookRequest \{[\s\S]*?\n\}/.exec(protoText(file, 'a test'))![0];

it('gives a new field a number of its own, wherever it stands', () => {
  const before = numbersAfter({ a: z.string(), b: z.int() });
  expect(inputOf(numbersAfter({ c: z.boolean(), b: z.int(), a: z.string() }, before))).toEqual({
    fields: { a: '1 string', b: '2 int64', c: '3 bool' },
    reserved: [],
  });
});

it('never gives the number of a field that is gone to another, nor back to one of its name', () => {
  const before = numbersAfter({ a: z.string(), b: z.int() });
  const without = numbersAfter({ a: z.string() }, before);
  expect(inputOf(without)).toEqual({ fields: { a: '1 string' }, reserved: [2] });
  expect(inputOf(numbersAfter({ a: z.string(), b: z.int() }, without))).toEqual({
    fields: { a: '1 string', b: '3 int64' },
    reserved: [2],
  });
});

it('takes a field of another type for another field', () => {
  const before = numbersAfter({ a: z.string() });
  const file = fileOf({ a: z.array(z.string()) }, before);
  expect(request(file)).toBe('message LookRequest {\n  reserved 1;\n  repeated string a = 2;\n}');
});

it('keeps the number when a field may be absent from now on', () => {
  const before = numbersAfter({ a: z.string(), b: z.string() });
  expect(inputOf(numbersAfter({ a: z.string().nullable(), b: z.string().optional() }, before))).toEqual(
    inputOf(before),
  );
});

it('has a type for everything that JSON can hold', () => {
  const file = fileOf({
    lineTotal: z.object({ amount: z.int() }),
    ids: z.array(z.uuid()),
    state: z.enum(['open', 'closed']),
    options: z.record(z.string(), z.string()),
    keys: z.record(z.string(), z.unknown()),
    nullableList: z.array(z.string()).nullable(),
    matrix: z.array(z.array(z.int())),
    either: z.union([z.string(), z.int()]),
    note: z.string().nullable(),
  });
  expect(request(file)).toMatchInlineSnapshot(`
    "message LookRequest {
      LineTotal line_total = 1;
      // A UUID.
      repeated string ids = 2;
      // One of open, closed.
      optional string state = 3;
      map<string, string> options = 4;
      google.protobuf.Struct keys = 5;
      google.protobuf.Value nullable_list = 6;
      repeated google.protobuf.Value matrix = 7;
      google.protobuf.Value either = 8;
      // Not sent: null.
      optional string note = 9;

      message LineTotal {
        optional int64 amount = 1;
      }
    }"
  `);
});

it('refuses a name that protobuf would not give back', () => {
  expect(() => fileOf({ ID: z.string() })).toThrow(/ID has a name in protobuf/);
});
