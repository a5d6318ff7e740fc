import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { load, type MessageTypeDefinition, type PackageDefinition } from '@grpc/proto-loader';
import { expect, test } from 'vitest';
import { allModules } from '../compose.ts';
import { failureFile } from './failure.ts';
import { fieldNumbers, numberIn, numbersOf } from './field-numbers.ts';
import { type ProtoFile, protoOf } from './proto-model.ts';
import { protoText } from './proto-text.ts';

/**
 * The committed .proto files are what programs in other languages were built from, so what they say of a field's number
 * stays true for good. `--update` writes down what is new; it can not take a number away.
 */
const root = join(import.meta.dirname, '../..');
const HOW_TO_UPDATE = 'bin/node node_modules/vitest/vitest.mjs run src/grpc/proto-files.test.ts --update';

interface Committed {
  readonly file: ProtoFile;
  readonly path: string;
  readonly source: string;
}

const files: readonly Committed[] = [
  { file: failureFile, path: 'src/grpc/failure.proto', source: 'src/grpc/failure.ts' },
  ...allModules.flatMap(({ contract }) => {
    const folder = `modules/${contract.module}`;
    const file = protoOf(contract, fieldNumbers);
    if (file === undefined) return [];
    return [{ file, path: `${folder}/${contract.module}.proto`, source: `${folder}/contract.ts` }];
  }),
];

const numbers = numbersOf(
  files.map(({ file }) => file),
  fieldNumbers,
);

interface LoadedMessage {
  readonly options?: { readonly mapEntry?: boolean };
  readonly field: readonly { name: string; number: number }[];
  readonly nestedType: readonly (LoadedMessage & { name: string })[];
  readonly reservedRange: readonly { start: number; end: number }[];
}

function messagesIn(definition: PackageDefinition): Map<string, LoadedMessage> {
  const messages = new Map<string, LoadedMessage>();
  const note = (name: string, message: LoadedMessage): void => {
    messages.set(name, message);
    for (const nested of message.nestedType ?? []) {
      if (!nested.options?.mapEntry) note(`${name}.${nested.name}`, nested);
    }
  };
  for (const [name, entry] of Object.entries(definition)) {
    const isMessage = 'format' in entry && entry.format === 'Protocol Buffer 3 DescriptorProto';
    if (isMessage) note(name, (entry as MessageTypeDefinition<object, object>).type as LoadedMessage);
  }
  return messages;
}

test.each(files)('no field of $path gets another number, and no number another field', async ({ path }) => {
  if (!existsSync(join(root, path))) return;
  for (const [name, message] of messagesIn(await load(join(root, path), { keepCase: true }))) {
    const now = numbers[name];
    if (name.startsWith('google.')) continue;
    const used = new Map(Object.entries(now?.fields ?? {}).map(([field, entry]) => [numberIn(entry), field]));
    for (const { name: field, number } of message.field) {
      const isKept = used.get(number) === field || now?.reserved.includes(number);
      expect(isKept, `${name}: ${number} is ${field}, and stays so or is reserved`).toBe(true);
    }
    for (const { start, end } of message.reservedRange ?? []) {
      for (let number = start; number < end; number += 1) {
        expect(now?.reserved, `${name}: ${number} stays reserved`).toContain(number);
      }
    }
  }
});

test('the committed numbers have every field of the contracts', async () => {
  await expect(`${JSON.stringify(numbers, null, 2)}\n`, HOW_TO_UPDATE).toMatchFileSnapshot(
    'field-numbers.json',
  );
});

test.each(files)('$path is what is served', async ({ file, path, source }) => {
  await expect(protoText(file, source), HOW_TO_UPDATE).toMatchFileSnapshot(join(root, path));
});
