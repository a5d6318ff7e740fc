import { JSON_DEPTH } from '../limits.ts';
import { invalidRequest } from './problem.ts';

const decoder = new TextDecoder('utf-8', { fatal: true });

/**
 * Parses a request's JSON, and refuses with 400 `invalid_request` what JSON.parse lets through but no reader
 * behind it can be trusted with: names given twice (two readers may take different ones), `__proto__`, depth
 * past JSON_DEPTH, numbers past the range of a double, and NUL or half surrogate pairs, which Postgres cannot store.
 */
export function parseJson(bytes: Uint8Array): unknown {
  let text: string;
  try {
    text = decoder.decode(bytes);
  } catch {
    throw refuse('the body is not UTF-8');
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw refuse('the body is not JSON');
  }
  inspect(text);
  return value;
}

/** Walks over the tokens of a text that is known to be JSON, without recursion. */
function inspect(text: string): void {
  /** The names seen so far in each open object; an array has none. */
  const open: (Set<string> | undefined)[] = [];
  let at = 0;
  while (at < text.length) {
    const char = text[at];
    if (char === '"') {
      const end = endOfString(text, at);
      const string = readString(text.slice(at, end));
      at = end;
      if (nextVisible(text, at) === ':') addName(open.at(-1), string);
    } else if (char === '{' || char === '[') {
      open.push(char === '{' ? new Set() : undefined);
      if (open.length > JSON_DEPTH) throw refuse(`the body is nested deeper than ${JSON_DEPTH}`);
      at += 1;
    } else if (char === '}' || char === ']') {
      open.pop();
      at += 1;
    } else if (char === '-' || (char !== undefined && char >= '0' && char <= '9')) {
      const end = endOfNumber(text, at);
      if (!Number.isFinite(Number(text.slice(at, end)))) throw refuse('a number is out of range');
      at = end;
    } else {
      at += 1;
    }
  }
}

function addName(names: Set<string> | undefined, name: string): void {
  if (name === '__proto__') throw refuse('a member must not be called __proto__');
  if (names?.has(name)) throw refuse(`the member ${name.slice(0, 100)} is given twice`);
  names?.add(name);
}

/** The index after the closing quote of the string that opens at `start`. */
function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at + 1;
}

function readString(token: string): string {
  const string = token.includes('\\') ? (JSON.parse(token) as string) : token.slice(1, -1);
  if (!isStorable(string)) throw refuse('a string holds a NUL or half a surrogate pair');
  return string;
}

/** Whether Postgres can store the text. */
export function isStorable(text: string): boolean {
  return !text.includes('\0') && text.isWellFormed();
}

function endOfNumber(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && '+-.0123456789Ee'.includes(text[at] as string)) at += 1;
  return at;
}

function nextVisible(text: string, start: number): string | undefined {
  let at = start;
  while (' \t\r\n'.includes(text[at] ?? 'end')) at += 1;
  return text[at];
}

function refuse(message: string): Error {
  return invalidRequest([{ path: '', message }]);
}
