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
const SECRET_ENDINGS = ['password', 'passwordhash', 'token', 'tokens', 'secret', 'apikey'];

/**
 * Signed tokens, payment tokens, mail addresses, the login in a URL, and what a form, a query or a JSON text calls a
 * secret, wherever they stand in a text. Each part that may begin at any letter has a greatest length, so that no text
 * makes this slow.
 */
const SECRET_TEXTS = new RegExp(
  [
    /\beyJ[\w-]{1,1024}\.[\w-]{1,2048}\.[\w-]{0,1024}/u,
    /\btok_\w+/u,
    /\b(?:Bearer|Basic)\s+[^\s,"']+/u,
    /(?<=:\/\/)[^\s/@]{1,256}(?=@)/u,
    /[\p{L}\p{N}_.+%'-]{1,64}(?:@|%40)[\p{L}\p{N}_-]+(?:\.[\p{L}\p{N}_-]+)*/u,
    /(?<=(?:password|token|secret|api_?key)(?:=|"\s?:\s?"))[^\s"'&]+/u,
  ]
    .map(({ source }) => source)
    .join('|'),
  'giu',
);

/** Every text that SECRET_TEXTS matches has one of these in it, so one without needs no closer look. */
const TELLING_TEXTS = /[\s@%:=_"]|eyj/i;

/** Deeper and longer than anything that we log on purpose; what is beyond is left out rather than let through. */
const DEPTH = 8;
const MEMBERS = 200;
const TEXT_LENGTH = 16_384;
/** Members whose names are remembered, and their greatest length: code has some hundred, the rest are a client's own. */
const NAMES = 1_000;
const NAME_LENGTH = 100;
/** Values of one line, since objects that refer to each other would be copied again and again. */
const VALUES = 2_000;

/** How many values the line that is being copied may still have. */
interface Room {
  values: number;
}

/** A copy of what is to be logged, without secrets and personal data however deep they stand, errors included. */
export function redact(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return copyMembers(fields, 0, { values: VALUES });
}

export function redactText(text: string): string {
  const short = text.length > TEXT_LENGTH ? `${text.slice(0, TEXT_LENGTH)} [cut]` : text;
  return TELLING_TEXTS.test(short) ? short.replaceAll(SECRET_TEXTS, REDACTED) : short;
}

function copy(value: unknown, depth: number, room: Room): unknown {
  room.values -= 1;
  if (typeof value === 'string') return redactText(value);
  if (typeof value !== 'object' || value === null) return value;
  if (depth >= DEPTH || room.values <= 0) return '[cut]';
  if (value instanceof Error) return copyMembers(pino.stdSerializers.err(value), depth + 1, room);
  if (value instanceof Date) return value;
  if (Array.isArray(value)) return value.slice(0, MEMBERS).map((item) => copy(item, depth + 1, room));
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  return copyMembers(value, depth + 1, room);
}

function copyMembers(object: object, depth: number, room: Room): Record<string, unknown> {
  const copied: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(object).slice(0, MEMBERS)) {
    const { shown, isSecret } = judgeName(name);
    // Assigning to `__proto__` would set the prototype, and nothing that we log has a member of this name.
    if (shown !== '__proto__')
      copied[shown] = isSecret && value != null ? REDACTED : copy(value, depth, room);
  }
  return copied;
}

const judged = new Map<string, { shown: string; isSecret: boolean }>();

/** What a log calls a member of this name, and whether it may tell the value. */
function judgeName(name: string): { shown: string; isSecret: boolean } {
  const known = judged.get(name);
  if (known !== undefined) return known;
  const judgement = { shown: redactText(name), isSecret: isSecret(name) };
  if (judged.size < NAMES && name.length <= NAME_LENGTH) judged.set(name, judgement);
  return judgement;
}

function isSecret(name: string): boolean {
  const plain = name.toLowerCase().replaceAll(/[-_]/g, '');
  return SECRET_MEMBERS.has(plain) || SECRET_ENDINGS.some((ending) => plain.endsWith(ending));
}
