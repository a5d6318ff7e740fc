import {
  type ProtoField,
  type ProtoFile,
  type ProtoMessage,
  type ProtoMethod,
  snake,
  typeText,
} from './proto-model.ts';

/** The text of a .proto file. `source` names the file that it is made from. */
export function protoText(file: ProtoFile, source: string): string {
  const parts = [
    `// Made from ${source}; do not edit. A scalar field tells whether it was sent: what the contract
// requires has to be, and 0 and the empty text count as sent when they are set.
syntax = "proto3";

package ${file.package};
`,
    file.messages.some(usesStruct) ? 'import "google/protobuf/struct.proto";\n' : undefined,
    file.service === undefined
      ? undefined
      : block(`service ${file.service.name}`, file.service.methods.map(methodText)),
    ...file.messages.map((message) => messageText(message, file.package)),
  ];
  return parts.filter((part) => part !== undefined).join('\n');
}

function methodText({ name, spec, input, output }: ProtoMethod): string {
  const isQuery = spec.kind === 'query';
  const kind = isQuery
    ? 'Changes nothing.'
    : `A command, identified by \`${snake(spec.key ?? '')}\`: a repeat gets the first answer.`;
  const errors = spec.errors.length === 0 ? '' : ` Fails with ${[...spec.errors].sort().join(', ')}.`;
  return `// ${kind}${errors}
rpc ${name}(${input.name}) returns (${output.name}) {
  option idempotency_level = ${isQuery ? 'NO_SIDE_EFFECTS' : 'IDEMPOTENT'};
}
`;
}

function messageText(message: ProtoMessage, around: string): string {
  const comment = message.comment === '' ? '' : `// ${message.comment}\n`;
  return block(`${comment}message ${message.name}`, [
    ...(message.reserved.length > 0 ? [`reserved ${message.reserved.join(', ')};\n`] : []),
    ...message.fields.map((field) => fieldText(field, message)),
    ...message.nested.map((nested) => `\n${messageText(nested, around)}`),
  ]);
}

function fieldText(field: ProtoField, message: ProtoMessage): string {
  const comment = field.comment === '' ? '' : `// ${capital(field.comment)}.\n`;
  const label = field.type.kind === 'scalar' && !field.repeated ? 'optional ' : '';
  // Names in the file are shorter: without the package, and without the message they stand in.
  const packageName = message.fullName.split('.').slice(0, 3).join('.');
  const type = typeText(field).replace(`${message.fullName}.`, '').replace(`${packageName}.`, '');
  return `${comment}${label}${type} ${field.name} = ${field.number};\n`;
}

function block(head: string, parts: readonly string[]): string {
  if (parts.length === 0) return `${head} {}\n`;
  const lines = parts.join('').trimEnd().split('\n');
  return `${head} {\n${lines.map((line) => (line === '' ? '' : `  ${line}`)).join('\n')}\n}\n`;
}

function usesStruct({ fields, nested }: ProtoMessage): boolean {
  return (
    fields.some(({ type }) => type.kind === 'struct' || type.kind === 'value') || nested.some(usesStruct)
  );
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
