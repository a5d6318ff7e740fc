import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';

/** A span as a collector gets it. */
export interface ReceivedSpan {
  readonly traceId: string;
  readonly spanId: string;
  /** Undefined: the first of its trace. */
  readonly parentId: string | undefined;
  readonly name: string;
  readonly kind: 'unspecified' | 'internal' | 'server' | 'client' | 'producer' | 'consumer';
  /** Since 1970, in nanoseconds. */
  readonly startNs: bigint;
  readonly endNs: bigint;
  readonly attributes: Readonly<Record<string, unknown>>;
  /** Ids of the spans that it is linked to. */
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
  readonly failed: boolean;
  /** Of the process that it comes from. */
  readonly resource: Readonly<Record<string, unknown>>;
}

const kinds = ['unspecified', 'internal', 'server', 'client', 'producer', 'consumer'] as const;

/**
 * The spans in an ExportTraceServiceRequest, as OTLP sends them over HTTP in protobuf. The numbers are those of
 * opentelemetry/proto/trace/v1/trace.proto, which is stable. Throws on what is no such message.
 */
export function readSpans(request: Uint8Array): ReceivedSpan[] {
  return messages(readFields(request), 1).flatMap((resourceSpans) => {
    const resource = messages(resourceSpans, 1).map((fields) => attributesOf(fields, 1));
    return messages(resourceSpans, 2)
      .flatMap((scopeSpans) => messages(scopeSpans, 2))
      .map((span) => toSpan(span, resource[0] ?? {}));
  });
}

function toSpan(fields: Fields, resource: ReceivedSpan['resource']): ReceivedSpan {
  return {
    traceId: hex(fields, 1),
    spanId: hex(fields, 2),
    parentId: hex(fields, 4) || undefined,
    name: text(fields, 5),
    kind: kinds[Number(last(fields, 6) ?? 0)] ?? 'unspecified',
    startNs: fixed64(fields, 7).readBigUInt64LE(),
    endNs: fixed64(fields, 8).readBigUInt64LE(),
    attributes: attributesOf(fields, 9),
    links: messages(fields, 13).map((link) => ({ traceId: hex(link, 1), spanId: hex(link, 2) })),
    failed: messages(fields, 15).some((status) => Number(last(status, 3) ?? 0) === 2),
    resource,
  };
}

function attributesOf(fields: Fields, number: number): Record<string, unknown> {
  const pairs = messages(fields, number).map((pair) => [text(pair, 1), messages(pair, 2).map(readAny)[0]]);
  return Object.fromEntries(pairs);
}

/** An AnyValue; what it may hold besides, we never send. */
function readAny(fields: Fields): unknown {
  if (fields.has(1)) return text(fields, 1);
  if (fields.has(2)) return Number(last(fields, 2)) === 1;
  if (fields.has(3)) return Number(last(fields, 3));
  if (fields.has(4)) return fixed64(fields, 4).readDoubleLE();
  return messages(fields, 5).flatMap((array) => messages(array, 1).map(readAny));
}

/** By number, each value in the order in which it came: bytes, or a number. */
type Fields = ReadonlyMap<number, readonly (Uint8Array | bigint)[]>;

function readFields(message: Uint8Array): Fields {
  const reader = new BinaryReader(message);
  const fields = new Map<number, (Uint8Array | bigint)[]>();
  while (reader.pos < reader.len) {
    const [number, type] = reader.tag();
    const value = readValue(reader, number, type);
    const known = fields.get(number);
    if (known === undefined) fields.set(number, [value]);
    else known.push(value);
  }
  return fields;
}

function readValue(reader: BinaryReader, number: number, type: WireType): Uint8Array | bigint {
  if (type === WireType.LengthDelimited) return reader.bytes();
  if (type === WireType.Varint) return BigInt(reader.uint64());
  // Eight bytes are a time or a double: who asks for them knows which.
  return reader.skip(type, number);
}

function last(fields: Fields, number: number): Uint8Array | bigint | undefined {
  return fields.get(number)?.at(-1);
}

function bytes(value: Uint8Array | bigint | undefined): Uint8Array {
  return value instanceof Uint8Array ? value : new Uint8Array();
}

function messages(fields: Fields, number: number): Fields[] {
  return (fields.get(number) ?? []).map((value) => readFields(bytes(value)));
}

function fixed64(fields: Fields, number: number): Buffer {
  const value = bytes(last(fields, number));
  return value.length === 8 ? Buffer.from(value) : Buffer.alloc(8);
}

function text(fields: Fields, number: number): string {
  return Buffer.from(bytes(last(fields, number))).toString('utf8');
}

function hex(fields: Fields, number: number): string {
  return Buffer.from(bytes(last(fields, number))).toString('hex');
}
