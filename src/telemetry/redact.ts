import { pino } from 'pino';

/** What stands in a log where a secret or somebody's personal data was. */
const REDACTED = '[redacted]';

/** Members whose values never reach a log; compared in small letters and without dashes. */
const SECRET_MEMBERS = new Set([
  'authorization',
  'proxyauthorization',
  'cookie',
  'setcookie',
  'apikey',
  'privatekey',
  'idempotencykey',
  'email',
  'username',
  'to',
  'from',
  'shippingaddress',
  'billingaddress',
  'address',
  'phone',
  'line1',
  'line2',
  'city',
  'postalcode',
  // Of the drivers' errors: a statement's values.
  'params',
  'parameters',
]);
/** A member that ends so holds one too, as `newPassword` and `refreshToken` do. */
const SECRET_ENDINGS = ['password', 'token', 'secret'];

/**
 * Signed tokens, payment tokens, mail addresses, and the login in a URL, wherever they stand in a text. Each part
 * that may begin at any letter has a greatest length, so that no text makes this slow.
 */
const SECRET_TEXTS =
  /\beyJ[\w-]{1,1024}\.[\w-]{1,2048}\.[\w-]{0,1024}|\btok_\w+|\bBearer\s+[^\s,"']+|(?<=:\/\/)[^\s/@]{1,256}(?=@)|[\w.+%'-]{1,64}@[\w-]+(?:\.[\w-]+)*/gi;

/** Deeper and longer than anything that we log on purpose; what is beyond is left out rather than let through. */
const DEPTH = 8;
const MEMBERS = 200;
const TEXT_LENGTH = 16_384;

/** A copy of what is to be logged, without secrets and personal data however deep they stand, errors included. */
export function redact(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return copyMembers(fields, 0);
}

export function redactText(text: string): string {
  const short = text.length > TEXT_LENGTH ? `${text.slice(0, TEXT_LENGTH)} [cut]` : text;
  return short.replaceAll(SECRET_TEXTS, REDACTED);
}

function copy(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return redactText(value);
  if (typeof value !== 'object' || value === null) return value;
  if (depth >= DEPTH) return '[cut]';
  if (value instanceof Error) return copyMembers(pino.stdSerializers.err(value), depth + 1);
  if (value instanceof Date) return value;
  if (Array.isArray(value)) return value.slice(0, MEMBERS).map((item) => copy(item, depth + 1));
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  return copyMembers(value, depth + 1);
}

function copyMembers(object: object, depth: number): Record<string, unknown> {
  const members = Object.entries(object).slice(0, MEMBERS);
  return Object.fromEntries(
    members.map(([name, value]) => [name, isSecret(name) && value != null ? REDACTED : copy(value, depth)]),
  );
}

function isSecret(name: string): boolean {
  const plain = name.toLowerCase().replaceAll(/[-_]/g, '');
  return SECRET_MEMBERS.has(plain) || SECRET_ENDINGS.some((ending) => plain.endsWith(ending));
}
