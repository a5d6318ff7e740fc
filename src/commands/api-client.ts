import { sleep } from '../deadline.ts';

/** One attempt gets this long: longer than any answer of the shop may take. */
const ATTEMPT_MS = 60_000;
const BACKOFF_MS = 100;
const BACKOFF_MAX_MS = 5_000;
/** Who waits this long for the shop should be told, and again this often. */
const TELL_MS = 5_000;

export interface ApiRequest {
  readonly token?: string;
  /** Sent as JSON. */
  readonly json?: unknown;
  /** Sent as it is; goes with a `content-type` header. */
  readonly blob?: Blob;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface ApiAnswer {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: callers read members that the API's description promises.
  readonly body: any;
}

export interface ApiClient {
  /** `path` below `/api/v1`, or from the root when it starts with `/api/`, as `Location` gives it. */
  request(method: string, path: string, request?: ApiRequest): Promise<ApiAnswer>;
}

/** The shop did not answer, or only with "later", for as long as we had patience. */
export class ShopUnavailable extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'ShopUnavailable';
  }
}

/**
 * A client of the public API that waits and tries again for at most `patienceMs` a request: after lost
 * connections, after 429 and 503 as `Retry-After` says, and after 409 `idempotency_key_in_flight`. So it must only
 * send what is safe to send twice: reads, keyed writes, and writes that refuse to be done again.
 */
export function createApiClient(
  baseUrl: string,
  patienceMs: number,
  /** Gets a sentence now and then while the shop keeps somebody waiting. */
  tell: (sentence: string) => void = () => undefined,
): ApiClient {
  // Of all requests together: many wait at the same time, for the same reason.
  let toldAt = Number.NEGATIVE_INFINITY;

  function tellWait(what: string, reason: unknown, waitedMs: number): void {
    const now = performance.now();
    if (waitedMs < TELL_MS || now - toldAt < TELL_MS) return;
    toldAt = now;
    const seconds = Math.round(waitedMs / 1_000);
    tell(
      `${what}: ${describe(reason)}; trying again since ${seconds} s, for ${patienceMs / 1_000} s at most`,
    );
  }

  async function attempt(method: string, url: URL, request: ApiRequest): Promise<ApiAnswer> {
    const headers = new Headers(request.headers);
    if (request.token !== undefined) headers.set('authorization', `Bearer ${request.token}`);
    if (request.json !== undefined) headers.set('content-type', 'application/json');
    const body = request.json === undefined ? request.blob : JSON.stringify(request.json);
    const response = await fetch(url, { method, headers, body, signal: AbortSignal.timeout(ATTEMPT_MS) });
    const text = await response.text();
    const isJson = /\bjson\b/.test(response.headers.get('content-type') ?? '');
    return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text };
  }

  return {
    async request(method, path, request = {}) {
      const url = new URL(path.startsWith('/api/') ? path : `/api/v1${path}`, baseUrl);
      const what = `${method} ${url.pathname}`;
      const startedAt = performance.now();
      const giveUpAt = startedAt + patienceMs;
      for (let attempts = 1; ; attempts += 1) {
        const backoffMs = Math.min(BACKOFF_MAX_MS, BACKOFF_MS * 2 ** (attempts - 1));
        let waitMs = backoffMs;
        let reason: unknown;
        try {
          const answer = await attempt(method, url, request);
          if (!isPassing(answer)) return answer;
          waitMs = Math.max(backoffMs, Number(answer.headers.get('retry-after') ?? 0) * 1000);
          reason = `${answer.status} ${answer.body?.code ?? ''}`.trim();
        } catch (error) {
          refuseUntrusted(error, url);
          reason = error;
        }
        if (performance.now() + waitMs > giveUpAt) {
          throw new ShopUnavailable(`${what}: gave up after ${attempts} attempts (${describe(reason)})`, {
            cause: reason,
          });
        }
        await sleep(waitMs);
        tellWait(what, reason, performance.now() - startedAt);
      }
    },
  };
}

/** A certificate that is not trusted now will not be in a minute either. */
function refuseUntrusted(error: unknown, url: URL): void {
  const reason = describe(error);
  if (!/CERT|SELF_SIGNED|UNABLE_TO_VERIFY/.test(reason)) return;
  const ways = 'name its authority by NODE_EXTRA_CA_CERTS, and the shop by a name that it holds with --url';
  throw new ShopUnavailable(`the certificate of ${url.origin} is not trusted here (${reason}): ${ways}`, {
    cause: error,
  });
}

/** Whether the same request may get another answer later. */
function isPassing(answer: ApiAnswer): boolean {
  if (answer.status === 429 || answer.status === 503) return true;
  return answer.status === 409 && answer.body?.code === 'idempotency_key_in_flight';
}

function describe(reason: unknown): string {
  if (!(reason instanceof Error)) return String(reason);
  // fetch hides the reason of a lost connection in its cause.
  const cause = reason.cause instanceof Error ? reason.cause : reason;
  return (cause as NodeJS.ErrnoException).code ?? cause.message;
}

/** The code and detail of a problem answer, in a line. */
export function problemOf(answer: ApiAnswer): string {
  const { code, detail } = answer.body ?? {};
  return [answer.status, code, detail].filter((part) => part !== undefined).join(' ');
}
