import type { JsonObjectShape, JsonShape } from './contract-shape.ts';

/** How to take a member that the writer sends and the reader drops: it may have mattered, or was always extra. */
export type Unread = 'lost' | 'fine';

/**
 * What `writer` may produce and `reader` would not take, each as a clause like "count may be absent, but is
 * required"; empty when every value of the one suits the other. Knows the part of JSON Schema that zod writes, and
 * takes whatever else differs for a misfit.
 */
export function misfits(writer: JsonShape, reader: JsonShape, unread: Unread): string[] {
  return fitAny(writer, reader, unread, '').map(({ path, why }) => `${path || 'the value'} ${why}`);
}

interface Misfit {
  readonly path: string;
  readonly why: string;
}

/** One of the forms that a value may have. */
type Form = JsonObjectShape;

function fitAny(writer: JsonShape, reader: JsonShape, unread: Unread, path: string): Misfit[] {
  const taken = formsOf(reader);
  return formsOf(writer).flatMap((form) => fitBest(form, taken, unread, path));
}

/** A form suits when one of those taken suits it whole; else it is told how far the nearest one is. */
function fitBest(form: Form, taken: readonly Form[], unread: Unread, path: string): Misfit[] {
  const tries = taken
    .filter((other) => taken.length === 1 || isTypeTaken(form, other))
    .map((other) => fitForm(form, other, unread, path))
    .sort((a, b) => a.length - b.length);
  return tries[0] ?? [{ path, why: `may be ${nameOf(form)}, which is not taken` }];
}

function fitForm(writer: Form, reader: Form, unread: Unread, path: string): Misfit[] {
  if (Object.keys(reader).length === 0) return [];
  if (!isTypeTaken(writer, reader)) {
    return [{ path, why: `may be ${nameOf(writer)}, but must be ${nameOf(reader)}` }];
  }
  const here = [...fitValues(writer, reader), ...fitLimits(writer, reader), ...fitOther(writer, reader)];
  const inside =
    writer.type === 'object'
      ? fitMembers(writer, reader, unread, path)
      : writer.type === 'array'
        ? fitItems(writer, reader, unread, path)
        : [];
  return [...here.map((why) => ({ path, why })), ...inside];
}

function fitMembers(writer: Form, reader: Form, unread: Unread, path: string): Misfit[] {
  const sent = membersOf(writer);
  const known = membersOf(reader);
  const at = (name: string) => (path === '' ? name : `${path}.${name}`);
  const found: Misfit[] = [];
  for (const name of required(reader)) {
    if (required(writer).includes(name)) continue;
    found.push({ path: at(name), why: `${name in sent ? 'may be' : 'is'} absent, but is required` });
  }
  const rest = reader.additionalProperties;
  for (const [name, member] of Object.entries(sent)) {
    const other = known[name];
    if (other !== undefined) found.push(...fitAny(member, other, unread, at(name)));
    else if (rest === false) found.push({ path: at(name), why: 'is sent, but is refused as unknown' });
    else if (rest !== undefined) found.push(...fitAny(member, rest, unread, at(name)));
    else if (unread === 'lost') found.push({ path: at(name), why: 'is sent, but is not read' });
  }
  const free = writer.additionalProperties;
  if (free !== undefined && free !== false) {
    if (rest === undefined || rest === false) {
      found.push({ path: at('*'), why: 'may be sent under any name, but only known members are taken' });
    } else {
      found.push(...fitAny(free, rest, unread, at('*')));
    }
  }
  const names = reader.propertyNames;
  if (names !== undefined) {
    found.push(...fitAny(writer.propertyNames ?? { type: 'string' }, names, unread, `the names in ${path}`));
  }
  return found;
}

function fitItems(writer: Form, reader: Form, unread: Unread, path: string): Misfit[] {
  const sent = listOf(writer.prefixItems);
  const known = listOf(reader.prefixItems);
  if (sent.length !== known.length) {
    return [{ path, why: `begins with ${sent.length} set items, but must with ${known.length}` }];
  }
  return [
    ...sent.flatMap((item, index) => fitAny(item, known[index] ?? {}, unread, `${path}[${index}]`)),
    ...(sent.length > 0 && reader.items === undefined
      ? []
      : fitAny(writer.items ?? {}, reader.items ?? {}, unread, `${path}[]`)),
  ];
}

function fitValues(writer: Form, reader: Form): string[] {
  const taken = reader.enum as readonly JsonShape[] | undefined;
  if (taken === undefined) return [];
  const list = taken.map((value) => JSON.stringify(value)).join(', ');
  const sent = writer.enum as readonly JsonShape[] | undefined;
  if (sent === undefined) return [`may be any ${writer.type}, but must be one of ${list}`];
  return sent
    .filter((value) => !taken.includes(value))
    .map((value) => `may be ${JSON.stringify(value)}, but must be one of ${list}`);
}

const limits = [
  { key: 'minLength', isLower: true, of: 'characters' },
  { key: 'maxLength', isLower: false, of: 'characters' },
  { key: 'minItems', isLower: true, of: 'items' },
  { key: 'maxItems', isLower: false, of: 'items' },
] as const;

function fitLimits(writer: Form, reader: Form): string[] {
  // Values that are listed have been compared one by one.
  if (writer.enum !== undefined) return [];
  const found: string[] = [];
  for (const { key, isLower, of } of limits) {
    const bound = reader[key];
    if (typeof bound !== 'number') continue;
    const sent = writer[key] as number | undefined;
    if (sent !== undefined && (isLower ? sent >= bound : sent <= bound)) continue;
    const how = sent === undefined ? `any number of ${of}` : `${sent} ${of}`;
    found.push(`may have ${how}, but must have at ${isLower ? 'least' : 'most'} ${bound}`);
  }
  for (const isLower of [true, false]) {
    const bound = edgeOf(reader, isLower);
    const sent = edgeOf(writer, isLower);
    if (bound === undefined || (sent !== undefined && (isLower ? sent >= bound : sent <= bound))) continue;
    const how = sent === undefined ? 'of any size' : `as ${isLower ? 'low' : 'high'} as ${sent}`;
    found.push(`may be ${how}, but must be at ${isLower ? 'least' : 'most'} ${bound}`);
  }
  for (const key of ['pattern', 'format', 'multipleOf']) {
    if (reader[key] === undefined || reader[key] === writer[key]) continue;
    found.push(`has the ${key} ${writer[key] ?? 'of its choice'}, but must have ${reader[key]}`);
  }
  return found;
}

/** The least or greatest number; an edge that is left out is taken as the next whole number, or as itself. */
function edgeOf(form: Form, isLower: boolean): number | undefined {
  const [within, without] = isLower
    ? [form.minimum, form.exclusiveMinimum]
    : [form.maximum, form.exclusiveMaximum];
  const step = form.type === 'integer' ? (isLower ? 1 : -1) : 0;
  const edges = [within, typeof without === 'number' ? without + step : undefined];
  const known = edges.filter((edge) => typeof edge === 'number');
  if (known.length === 0) return undefined;
  return isLower ? Math.max(...known) : Math.min(...known);
}

const understood = new Set([
  ...['type', 'enum', 'default', 'properties', 'required', 'additionalProperties', 'propertyNames'],
  ...['items', 'prefixItems', 'minItems', 'maxItems', 'minLength', 'maxLength', 'pattern', 'format'],
  ...['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf'],
]);

function fitOther(writer: Form, reader: Form): string[] {
  const keys = new Set([...Object.keys(writer), ...Object.keys(reader)]);
  return [...keys]
    .filter((key) => !understood.has(key) && JSON.stringify(writer[key]) !== JSON.stringify(reader[key]))
    .map((key) => `differs in ${key}`);
}

/** The forms of a value, each of one type; lists of values of one type are one form. */
function formsOf(schema: JsonShape): Form[] {
  if (typeof schema !== 'object' || schema === null) return [schema === false ? { not: {} } : {}];
  const { anyOf, oneOf, type, const: only, ...rest } = schema as JsonObjectShape;
  const branches = anyOf ?? oneOf;
  if (branches !== undefined) {
    const forms = listOf(branches).flatMap((branch) => formsOf({ ...rest, ...(branch as JsonObjectShape) }));
    return mergeLists(forms);
  }
  const values = only === undefined ? rest.enum : [only];
  if (values === undefined) {
    if (type === undefined) return [rest];
    return (Array.isArray(type) ? listOf(type) : [type]).map((each) => ({ ...rest, type: each }));
  }
  const types = [...new Set(listOf(values).map(typeOf))];
  return types.map((each) => ({
    ...rest,
    type: each,
    enum: listOf(values).filter((value) => typeOf(value) === each),
  }));
}

function mergeLists(forms: readonly Form[]): Form[] {
  const merged: Form[] = [];
  for (const form of forms) {
    const same = merged.findIndex((other) => form.enum && other.enum && other.type === form.type);
    const other = merged[same];
    if (other === undefined) merged.push(form);
    else merged[same] = { ...other, enum: [...listOf(other.enum), ...listOf(form.enum)] };
  }
  return merged;
}

function isTypeTaken(writer: Form, reader: Form): boolean {
  if (reader.type === undefined) return true;
  return writer.type === reader.type || (writer.type === 'integer' && reader.type === 'number');
}

function nameOf({ type, enum: values }: Form): string {
  if (type === undefined) return 'anything';
  if (values !== undefined && listOf(values).length === 1) return JSON.stringify(listOf(values)[0]);
  if (type === 'null') return 'null';
  return `${/^[aeiou]/.test(String(type)) ? 'an' : 'a'} ${type}`;
}

function typeOf(value: JsonShape): string {
  if (value === null) return 'null';
  return Number.isInteger(value) ? 'integer' : typeof value;
}

const membersOf = (form: Form) => (form.properties ?? {}) as JsonObjectShape;
const required = (form: Form) => listOf(form.required) as readonly string[];
const listOf = (shape: JsonShape | undefined) => (Array.isArray(shape) ? shape : []) as readonly JsonShape[];
