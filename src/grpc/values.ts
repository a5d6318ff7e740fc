import { create, type DescMessage, fromJson, type JsonValue, type Message, toJson } from '@bufbuild/protobuf';
import { ValueSchema } from '@bufbuild/protobuf/wkt';
import { isRecord } from '../rpc/copy.ts';
import type { ProtoTypes } from './descriptor.ts';
import type { ProtoField, ProtoMessage, Scalar } from './proto-model.ts';

/** Between the JSON values of a contract and protobuf messages, without loss in either direction. */
export interface Values {
  /** Throws where the value is not of the message's form, which is a bug of whoever made it. */
  toMessage(message: ProtoMessage, value: unknown): Message;
  /** Members that were not sent are left out, and for the contract's schema to judge. */
  fromMessage(message: ProtoMessage, sent: Message): Record<string, unknown>;
}

type Fields = Record<string, unknown>;

export function createValues(types: ProtoTypes): Values {
  const descs = new Map<ProtoMessage, DescMessage>();

  function descOf(message: ProtoMessage): DescMessage {
    let desc = descs.get(message);
    if (desc === undefined) {
      desc = types.message(message);
      descs.set(message, desc);
    }
    return desc;
  }

  function toMessage(message: ProtoMessage, value: unknown): Message {
    if (!isRecord(value)) throw misfit(message.fullName, 'an object');
    const sent = create(descOf(message)) as Message & Fields;
    for (const field of message.fields) {
      const member = value[field.property];
      // Null is what a field stands for that may be null and was not sent.
      if (member === undefined || (member === null && field.absent === 'null')) continue;
      sent[field.property] = encode(field, member, `${message.fullName}.${field.name}`);
    }
    if (message.isStrict) refuseUnknown(message, value);
    return sent;
  }

  function encode({ type, repeated }: ProtoField, value: unknown, at: string): unknown {
    const one = (item: unknown): unknown => {
      if (type.kind === 'scalar') return encodeScalar(type.scalar, item, at);
      if (type.kind === 'message') return toMessage(type.message, item);
      const json = plainJson(item, at);
      if (type.kind === 'value') return fromJson(ValueSchema, json);
      if (!isRecord(json)) throw misfit(at, 'an object');
      // For the library too it is a plain object, where a Value is a message.
      if (type.kind === 'struct') return json;
      return mapValues(json, (member) => encodeScalar(type.scalar, member, at));
    };
    if (!repeated) return one(value);
    if (!Array.isArray(value)) throw misfit(at, 'a list');
    return value.map(one);
  }

  function fromMessage(message: ProtoMessage, sent: Message): Record<string, unknown> {
    const value: Record<string, unknown> = {};
    for (const field of message.fields) {
      // Prototypes of messages hold the defaults of what was not sent.
      const member = Object.hasOwn(sent, field.property)
        ? (sent as Message & Fields)[field.property]
        : undefined;
      if (member !== undefined) value[field.property] = decode(field, member);
      else if (field.absent === 'null') value[field.property] = null;
    }
    return value;
  }

  function decode({ type, repeated }: ProtoField, sent: unknown): unknown {
    const one = (item: unknown): unknown => {
      if (type.kind === 'scalar') return decodeScalar(item);
      if (type.kind === 'message') return fromMessage(type.message, item as Message);
      if (type.kind === 'map') return mapValues(item as Fields, decodeScalar);
      return type.kind === 'value' ? toJson(ValueSchema, item as never) : item;
    };
    return repeated ? (sent as unknown[]).map(one) : one(sent);
  }

  return { toMessage, fromMessage };
}

function refuseUnknown({ fullName, fields }: ProtoMessage, value: Record<string, unknown>): void {
  const known = new Set(fields.map(({ property }) => property));
  for (const [property, member] of Object.entries(value)) {
    if (member !== undefined && !known.has(property))
      throw new Error(`${fullName} has no member ${property}`);
  }
}

function encodeScalar(scalar: Scalar, value: unknown, at: string): unknown {
  if (scalar === 'string') {
    // UTF-8 has no form for half a surrogate pair.
    if (typeof value !== 'string' || !value.isWellFormed()) throw misfit(at, 'a text');
    return value;
  }
  if (scalar === 'bool') {
    if (typeof value !== 'boolean') throw misfit(at, 'a boolean');
    return value;
  }
  if (typeof value !== 'number' || !Number.isFinite(value)) throw misfit(at, 'a number');
  if (scalar === 'double') return value;
  if (!Number.isSafeInteger(value)) throw misfit(at, 'a whole number up to 2^53 - 1');
  return BigInt(value);
}

/** A number that JSON could not hold exactly is rounded here, and then refused by the contract's schema. */
function decodeScalar(value: unknown): unknown {
  return typeof value === 'bigint' ? Number(value) : value;
}

/** The value as JSON would carry it. */
function plainJson(value: unknown, at: string): JsonValue {
  const text = JSON.stringify(value);
  if (text === undefined) throw misfit(at, 'a JSON value');
  return JSON.parse(text);
}

function mapValues(record: Fields, change: (value: unknown) => unknown): Fields {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]));
}

function misfit(at: string, wanted: string): Error {
  return new Error(`${at} is not ${wanted}`);
}
