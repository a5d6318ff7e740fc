import {
  create,
  createFileRegistry,
  type DescMessage,
  type DescService,
  type FileRegistry,
  type MessageInitShape,
} from '@bufbuild/protobuf';
import {
  type DescriptorProtoSchema,
  type FieldDescriptorProtoSchema,
  type FileDescriptorProto,
  FileDescriptorProtoSchema,
  file_google_protobuf_struct,
  MethodOptions_IdempotencyLevel as Idempotency,
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
} from '@bufbuild/protobuf/wkt';
import { invariant } from '../errors.ts';
import type { ProtoField, ProtoFile, ProtoMessage, Scalar } from './proto-model.ts';

/** What encodes and decodes the messages of a file, and serves its service. */
export interface ProtoTypes {
  message(message: ProtoMessage): DescMessage;
  service(file: ProtoFile): DescService;
}

/** Builds descriptors at run time, so that there is no code to generate and none that could be stale. */
export function createTypes(file: ProtoFile): ProtoTypes {
  const registry = createFileRegistry(fileDescriptor(file), (name) =>
    name === file_google_protobuf_struct.proto.name ? file_google_protobuf_struct : undefined,
  );
  return {
    message: ({ fullName }) => found(registry.getMessage(fullName), fullName),
    service: ({ package: name, service }) => serviceOf(registry, `${name}.${service?.name}`),
  };
}

function serviceOf(registry: FileRegistry, name: string): DescService {
  return found(registry.getService(name), name);
}

function found<T>(desc: T | undefined, name: string): T {
  invariant(desc, `${name} has a descriptor`);
  return desc;
}

function fileDescriptor(file: ProtoFile): FileDescriptorProto {
  return create(FileDescriptorProtoSchema, {
    name: `${file.package.replaceAll('.', '/')}.proto`,
    package: file.package,
    syntax: 'proto3',
    dependency: [file_google_protobuf_struct.proto.name],
    messageType: file.messages.map(messageDescriptor),
    service: file.service && [
      {
        name: file.service.name,
        method: file.service.methods.map(({ name, spec, input, output }) => ({
          name,
          inputType: `.${input.fullName}`,
          outputType: `.${output.fullName}`,
          options: {
            idempotencyLevel: spec.kind === 'query' ? Idempotency.NO_SIDE_EFFECTS : Idempotency.IDEMPOTENT,
          },
        })),
      },
    ],
  });
}

function messageDescriptor(message: ProtoMessage): MessageInitShape<typeof DescriptorProtoSchema> {
  const { name, fullName, fields, nested, reserved } = message;
  // A field that tells whether it was sent is a `oneof` of its own, and a map is a list of entries.
  const optional = fields.filter(isOptional);
  return {
    name,
    field: fields.map((field) => fieldDescriptor(field, fullName, optional.indexOf(field))),
    nestedType: [
      ...nested.map(messageDescriptor),
      ...fields.flatMap((field) =>
        field.type.kind === 'map' ? [entryDescriptor(field, field.type.scalar)] : [],
      ),
    ],
    oneofDecl: optional.map((field) => ({ name: `_${field.name}` })),
    reservedRange: reserved.map((number) => ({ start: number, end: number + 1 })),
  };
}

function isOptional({ type, repeated }: ProtoField): boolean {
  return type.kind === 'scalar' && !repeated;
}

function fieldDescriptor(
  field: ProtoField,
  around: string,
  oneof: number,
): MessageInitShape<typeof FieldDescriptorProtoSchema> {
  const { name, number, property, type, repeated } = field;
  const typeName = {
    scalar: () => '',
    message: () => `.${(type as { message: ProtoMessage }).message.fullName}`,
    map: () => `.${around}.${entryName(field)}`,
    struct: () => '.google.protobuf.Struct',
    value: () => '.google.protobuf.Value',
  }[type.kind]();
  return {
    name,
    number,
    jsonName: property,
    type: type.kind === 'scalar' ? scalarTypes[type.scalar] : Type.MESSAGE,
    ...(typeName !== '' && { typeName }),
    label: repeated || type.kind === 'map' ? Label.REPEATED : Label.OPTIONAL,
    ...(oneof >= 0 && { proto3Optional: true, oneofIndex: oneof }),
  };
}

const scalarTypes: Readonly<Record<Scalar, Type>> = {
  string: Type.STRING,
  bool: Type.BOOL,
  int64: Type.INT64,
  double: Type.DOUBLE,
};

/** As protoc names it. */
function entryName({ property }: ProtoField): string {
  return `${property.charAt(0).toUpperCase()}${property.slice(1)}Entry`;
}

function entryDescriptor(field: ProtoField, scalar: Scalar): MessageInitShape<typeof DescriptorProtoSchema> {
  return {
    name: entryName(field),
    options: { mapEntry: true },
    field: [
      { name: 'key', number: 1, type: Type.STRING, label: Label.OPTIONAL, jsonName: 'key' },
      { name: 'value', number: 2, type: scalarTypes[scalar], label: Label.OPTIONAL, jsonName: 'value' },
    ],
  };
}
