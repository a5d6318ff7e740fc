import { z } from 'zod';
import { invariant } from '../errors.ts';
import type { CallSpec } from '../rpc/contract.ts';
import { type FieldNumbers, type MessageNumbers, numberIn } from './field-numbers.ts';

/** A module's contract as protobuf: what the .proto text and the descriptors are made from. */
export interface ProtoFile {
  /** As `banyan.order.v1`. */
  readonly package: string;
  readonly service?: ProtoService;
  /** Of the whole file, in their order; nested ones are in their message. */
  readonly messages: readonly ProtoMessage[];
}

export interface ProtoService {
  readonly name: string;
  readonly methods: readonly ProtoMethod[];
}

export interface ProtoMethod {
  readonly name: string;
  /** The call's name in the contract. */
  readonly call: string;
  readonly spec: CallSpec;
  readonly input: ProtoMessage;
  readonly output: ProtoMessage;
}

export interface ProtoMessage {
  /** With the package and the messages around it, as `banyan.order.v1.ReceiptsResponse.ReceiptsItem`. */
  readonly fullName: string;
  readonly name: string;
  readonly fields: readonly ProtoField[];
  /** Numbers of fields that were taken away. */
  readonly reserved: readonly number[];
  readonly nested: readonly ProtoMessage[];
  /** For people; may be empty. */
  readonly comment: string;
  /** Whether the contract refuses members that it does not name. */
  readonly isStrict: boolean;
}

export type Scalar = 'string' | 'bool' | 'int64' | 'double';

export type FieldType =
  | { readonly kind: 'scalar'; readonly scalar: Scalar }
  | { readonly kind: 'message'; readonly message: ProtoMessage }
  /** `map<string, …>`. */
  | { readonly kind: 'map'; readonly scalar: Scalar }
  /** `google.protobuf.Struct`: an object whose members the contract does not name. */
  | { readonly kind: 'struct' }
  /** `google.protobuf.Value`: any JSON. */
  | { readonly kind: 'value' };

export interface ProtoField {
  /** The member's name in the contract, and in protobuf's JSON. */
  readonly property: string;
  /** In snake_case. */
  readonly name: string;
  readonly number: number;
  readonly type: FieldType;
  readonly repeated: boolean;
  /** What a field that was not sent stands for. */
  readonly absent: 'missing' | 'null' | 'empty';
  /** What the type does not say, for people. */
  readonly comment: string;
}

type Shape = Readonly<Record<string, unknown>>;

/**
 * The contract as protobuf; undefined when it has no calls. Every member becomes a field that knows whether it was
 * sent, so that nothing reads as 0 or as the empty text that was only forgotten.
 */
export function protoOf(
  contract: { readonly module: string; readonly calls: Readonly<Record<string, CallSpec>> },
  numbers: FieldNumbers,
): ProtoFile | undefined {
  const { module, calls } = contract;
  if (Object.keys(calls).length === 0) return undefined;
  const file = createFile(`banyan.${module}.v1`, numbers);
  const methods = Object.entries(calls).map(([call, spec]): ProtoMethod => {
    const name = pascal(call);
    return {
      name,
      call,
      spec,
      input: file.root(`${name}Request`, spec.input, 'input'),
      output: file.root(`${name}Response`, spec.output, 'output'),
    };
  });
  return {
    package: `banyan.${module}.v1`,
    service: { name: `${pascal(module)}Service`, methods },
    messages: file.messages(),
  };
}

/** A file of messages alone. */
export function messagesOf(
  packageName: string,
  schemas: Readonly<Record<string, z.ZodType>>,
  numbers: FieldNumbers,
): ProtoFile {
  const file = createFile(packageName, numbers);
  for (const [name, schema] of Object.entries(schemas)) file.root(name, schema, 'output');
  return { package: packageName, messages: file.messages() };
}

function createFile(packageName: string, numbers: FieldNumbers) {
  const roots: ProtoMessage[] = [];
  /** Schemas with an id of their own, by it; each becomes one message, whoever uses it. */
  const shared = new Map<string, { message: ProtoMessage; text: string }>();

  function message(name: string, around: string, shape: Shape, defs: Shape): ProtoMessage {
    const fullName = `${around}.${name}`;
    invariant(shape.type === 'object' && !isMap(shape), `${fullName} is an object with named members`);
    const nested: ProtoMessage[] = [];
    const required = new Set(shape.required as string[] | undefined);
    const known = numbers[fullName] ?? emptyNumbers;
    const given = createNumbering(known);
    const fields = Object.entries((shape.properties ?? {}) as Record<string, Shape>).map(
      ([property, member]): ProtoField => {
        const plain = fieldShape(member, required.has(property));
        const type = plain.isAny
          ? ({ kind: 'value' } as const)
          : typeOf(plain.shape, plain.repeated ? `${pascal(property)}Item` : pascal(property));
        const field = {
          property,
          name: snake(property),
          type,
          repeated: plain.repeated,
          absent: plain.absent,
          comment: describe(plain),
        };
        return { ...field, number: given(field) };
      },
    );

    function typeOf(of: Shape, nestedName: string): FieldType {
      if (typeof of.$ref === 'string') {
        return { kind: 'message', message: sharedMessage(of.$ref.split('/').at(-1)!, defs) };
      }
      const scalar = scalarOf(of);
      if (scalar !== undefined) return { kind: 'scalar', scalar };
      if (of.type !== 'object') return { kind: 'value' };
      if (!isMap(of)) {
        const made = message(nestedName, fullName, of, defs);
        nested.push(made);
        return { kind: 'message', message: made };
      }
      const values = scalarOf(of.additionalProperties as Shape);
      return values === undefined ? { kind: 'struct' } : { kind: 'map', scalar: values };
    }

    const used = new Set(fields.map(({ number }) => number));
    return {
      fullName,
      name,
      fields,
      nested,
      reserved: [...known.reserved, ...Object.values(known.fields).map(numberIn)]
        .filter((number) => !used.has(number))
        .sort((a, b) => a - b),
      comment: String(shape.description ?? ''),
      isStrict: shape.additionalProperties === false,
    };
  }

  function sharedMessage(id: string, defs: Shape): ProtoMessage {
    const shape = defs[id] as Shape;
    const text = JSON.stringify(shape);
    const known = shared.get(id);
    if (known !== undefined) {
      invariant(known.text === text, `${packageName}: ${id} has one form wherever it is used`);
      return known.message;
    }
    const made = message(id, packageName, shape, defs);
    shared.set(id, { message: made, text });
    return made;
  }

  return {
    root(name: string, schema: z.ZodType, io: 'input' | 'output'): ProtoMessage {
      const { $defs = {}, ...shape } = jsonSchema(schema, io);
      const made = message(name, packageName, shape, $defs as Shape);
      roots.push(made);
      return made;
    },
    messages(): ProtoMessage[] {
      return [...roots, ...[...shared.values()].map((each) => each.message)];
    },
  };
}

/** As `schemaShape` has it, with those that have an id apart. */
function jsonSchema(schema: z.ZodType, io: 'input' | 'output'): Shape {
  return z.toJSONSchema(schema, {
    io,
    unrepresentable: 'any',
    override({ zodSchema, jsonSchema: shape }) {
      const { def } = zodSchema._zod;
      // An object that drops what it does not know says nothing of it, whichever way it goes.
      if (def.type === 'object' && def.catchall === undefined) delete shape.additionalProperties;
    },
  }) as Shape;
}

interface FieldShape {
  readonly shape: Shape;
  readonly repeated: boolean;
  readonly absent: ProtoField['absent'];
  /** Whether only `google.protobuf.Value` can tell all of its values apart. */
  readonly isAny: boolean;
}

function fieldShape(member: Shape, isRequired: boolean): FieldShape {
  const { shape, isNullable } = withoutNull(member);
  const isList = shape.type === 'array' && shape.prefixItems === undefined;
  const isCollection =
    isList ||
    (shape.type === 'object' && isMap(shape) && scalarOf(shape.additionalProperties as Shape) !== undefined);
  // A list that was not sent is an empty one, and a field that was not sent can not be two things.
  const isAny = (isNullable && !isRequired) || (isCollection && (isNullable || !isRequired));
  if (isAny) return { shape, repeated: false, absent: 'missing', isAny };
  const absent = isCollection ? 'empty' : isNullable ? 'null' : 'missing';
  if (!isList) return { shape, repeated: false, absent, isAny };
  const item = withoutNull((shape.items ?? {}) as Shape);
  const isPlain = !item.isNullable && item.shape.type !== 'array';
  return { shape: isPlain ? item.shape : {}, repeated: true, absent, isAny };
}

function withoutNull(shape: Shape): { shape: Shape; isNullable: boolean } {
  if (Array.isArray(shape.type) && shape.type.includes('null')) {
    const types = shape.type.filter((type) => type !== 'null');
    return { shape: { ...shape, type: types.length === 1 ? types[0] : types }, isNullable: true };
  }
  const choices = shape.anyOf as readonly Shape[] | undefined;
  const rest = choices?.filter(({ type }) => type !== 'null');
  if (choices === undefined || rest?.length !== 1 || choices.length !== 2)
    return { shape, isNullable: false };
  return { shape: rest[0]!, isNullable: true };
}

function scalarOf({ type, const: only }: Shape): Scalar | undefined {
  if (type === 'string' || typeof only === 'string') return 'string';
  if (type === 'boolean' || typeof only === 'boolean') return 'bool';
  if (type === 'integer') return 'int64';
  return type === 'number' || typeof only === 'number' ? 'double' : undefined;
}

/** An object of members that have no names in the contract. */
function isMap({ additionalProperties, properties }: Shape): boolean {
  return typeof additionalProperties === 'object' && properties === undefined;
}

function describe({ shape, absent }: FieldShape): string {
  const known = [
    formats[String(shape.format)],
    shape.const === undefined ? undefined : `always ${String(shape.const)}`,
    Array.isArray(shape.enum) ? `one of ${shape.enum.join(', ')}` : undefined,
    absent === 'null' ? 'not sent: null' : undefined,
  ];
  return known.filter((part) => part !== undefined).join('; ');
}

const formats: Readonly<Record<string, string>> = {
  uuid: 'a UUID',
  'date-time': 'an instant in ISO 8601',
  email: 'an e-mail address',
};

/** What a field's number stands for: a field of another type gets another number. */
export function typeText({ type, repeated }: Pick<ProtoField, 'type' | 'repeated'>): string {
  const text = {
    scalar: () => (type as { scalar: Scalar }).scalar,
    map: () => `map<string, ${(type as { scalar: Scalar }).scalar}>`,
    message: () => (type as { message: ProtoMessage }).message.fullName,
    struct: () => 'google.protobuf.Struct',
    value: () => 'google.protobuf.Value',
  }[type.kind]();
  return repeated ? `repeated ${text}` : text;
}

const emptyNumbers: MessageNumbers = { fields: {}, reserved: [] };

/** Gives a field the number it has always had, or the next one that none ever had. */
function createNumbering({ fields, reserved }: MessageNumbers) {
  let last = Math.max(0, ...reserved, ...Object.values(fields).map(numberIn));
  return (field: Pick<ProtoField, 'name' | 'type' | 'repeated'>): number => {
    const entry = fields[field.name];
    if (entry !== undefined && entry === `${numberIn(entry)} ${typeText(field)}`) return numberIn(entry);
    last += 1;
    // Protobuf keeps these for itself.
    if (last === 19_000) last = 20_000;
    return last;
  };
}

function pascal(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1);
}

/** `orderId` → `order_id`; from there protobuf's JSON comes back to the same. */
export function snake(property: string): string {
  const name = property.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  const back = name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
  invariant(/^[a-z][a-z0-9_]*$/.test(name) && back === property, `${property} has a name in protobuf`);
  return name;
}
