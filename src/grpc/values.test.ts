import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadSync, type MessageTypeDefinition } from '@grpc/proto-loader';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { defineContract, query } from '../rpc/contract.ts';
import { protoOf } from './proto-model.ts';
import { protoText } from './proto-text.ts';
import { protocolOf } from './protocol.ts';

const form = z.object({
  text: z.string(),
  nothing: z.string().nullable(),
  count: z.int(),
  ratio: z.number(),
  yes: z.boolean(),
  list: z.array(z.object({ inner: z.string() })),
  texts: z.record(z.string(), z.string()),
  object: z.record(z.string(), z.unknown()),
  objects: z.array(z.record(z.string(), z.unknown())),
  any: z.unknown(),
  anys: z.array(z.array(z.int())),
});
const contract = defineContract('till', {
  calls: { echo: query({ input: form, output: form, errors: [] }) },
});

const value = {
  text: '',
  nothing: null,
  count: -9007199254740991,
  ratio: 0.1,
  yes: false,
  list: [{ inner: 'ü😀' }, { inner: '' }],
  texts: { b: '', a: '2' },
  object: { a: [null, 1, { deep: true }] },
  objects: [{ a: 1 }, {}],
  any: ['x', null],
  anys: [[1], []],
};

/** As another make of protobuf reads and writes the message, from the text that is given to others. */
function readElsewhere(bytes: Uint8Array): { read: object; written: Buffer } {
  const folder = mkdtempSync(join(tmpdir(), 'banyan-proto-'));
  writeFileSync(join(folder, 'till.proto'), protoText(protoOf(contract, {})!, 'a test'));
  const types = loadSync(join(folder, 'till.proto'), { longs: String, enums: String });
  rmSync(folder, { recursive: true });
  const message = types['banyan.till.v1.EchoRequest'] as MessageTypeDefinition<object, object>;
  const read = message.deserialize(Buffer.from(bytes));
  return { read, written: message.serialize(read) };
}

it('is read by another make of protobuf as it was meant, and comes back from there as it was', () => {
  const method = protocolOf(contract)!.methods.get('echo')!;
  const { read, written } = readElsewhere(method.encodeInput(value));
  const struct = (fields: object) => ({ fields });
  expect(read).toEqual({
    text: '',
    count: '-9007199254740991',
    ratio: 0.1,
    yes: false,
    list: [{ inner: 'ü😀' }, { inner: '' }],
    texts: { b: '', a: '2' },
    object: struct({
      a: {
        listValue: {
          values: [
            { nullValue: 'NULL_VALUE' },
            { numberValue: 1 },
            { structValue: struct({ deep: { boolValue: true } }) },
          ],
        },
      },
    }),
    objects: [struct({ a: { numberValue: 1 } }), {}],
    any: { listValue: { values: [{ stringValue: 'x' }, { nullValue: 'NULL_VALUE' }] } },
    anys: [{ listValue: { values: [{ numberValue: 1 }] } }, { listValue: {} }],
  });
  // The answer has the same form.
  expect(method.decodeOutput(written)).toEqual(value);
});
