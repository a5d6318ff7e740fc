import { createHash } from 'node:crypto';
import type { Answer, Request } from './client.ts';
import { createMasker } from './masks.ts';

/** What a shop said and did, in lines that are the same in every placement. */
export interface Transcript {
  /** Opens a part with its name. */
  part(name: string): void;
  exchange(request: Request, answer: Answer): void;
  /** Lines of whatever is no exchange. */
  note(text: string): void;
  /** The number by which an id is shown, or undefined when it was not shown yet. */
  numberOf(id: string): number | undefined;
  /** The codes of all problems so far. */
  readonly codes: ReadonlySet<string>;
  readonly lines: readonly string[];
}

/** Longer bodies are shown by their hash. */
const SHOWN_BYTES = 20_000;
/** Lines of what was sent are cut here: they are the suite's own. */
const SHOWN_SENT = 400;
/** They end with the connection, and tell of nothing but its reuse. */
const HOP_BY_HOP = new Set(['connection', 'keep-alive']);
const TEXT = /^(?:application\/(?:[\w.-]+\+)?json|text\/)/;

export function createTranscript(): Transcript {
  const masker = createMasker();
  const codes = new Set<string>();
  const lines: string[] = [];
  const linesOf = (text: string) => masker.mask(text).split('\n');
  return {
    lines,
    codes,
    numberOf: masker.numberOf,
    part(name) {
      lines.push('', `# ${name}`);
    },
    exchange(request, answer) {
      if (typeof answer.body?.code === 'string') codes.add(answer.body.code);
      // Cut after it is masked, or half a token would show.
      lines.push(...linesOf(describeRequest(request)).map((line) => line.slice(0, SHOWN_SENT)));
      lines.push(...linesOf(describeAnswer(answer)), '');
    },
    note: (text) => void lines.push(...linesOf(text)),
  };
}

function describeRequest({ method, path, headers = {}, body, chunked }: Request): string {
  return [
    `${method} ${path}`,
    ...Object.entries(headers).map(([name, value]) => `> ${name}: ${value}`),
    ...(chunked ? ['> transfer-encoding: chunked'] : []),
    // A mebibyte of spaces need not be looked through.
    ...(body === undefined ? [] : [`> ${Buffer.from(body).subarray(0, SHOWN_BYTES).toString()}`]),
  ].join('\n');
}

function describeAnswer({ status, headers, bytes, header, body }: Answer): string {
  const shown = headers.filter(([name]) => !HOP_BY_HOP.has(name));
  return [
    `< ${status}`,
    ...shown.map(([name, value]) => `< ${name}: ${value}`),
    ...(bytes.length === 0 ? [] : [describeBody(bytes, header('content-type') ?? '', body)]),
  ].join('\n');
}

function describeBody(bytes: Buffer, contentType: string, body: unknown): string {
  if (bytes.length > SHOWN_BYTES || !TEXT.test(contentType)) {
    return `${bytes.length} bytes, SHA-256 ${createHash('sha256').update(bytes).digest('hex')}`;
  }
  return body === undefined ? bytes.toString() : JSON.stringify(body, undefined, 2);
}
