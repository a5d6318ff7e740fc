import { validateHeaderValue } from 'node:http';
import { COMPRESS_BYTES } from '../limits.ts';
import { etagOf, isUnchanged } from './etag.ts';
import type { HttpContext } from './http-env.ts';
import type { Answer } from './route.ts';

/**
 * Turns an answer into the response, with ETag and 304 where it has a version. Answers are never cached without
 * asking us again, and those of signed-in users by nobody else; failures and the answers of writes not at all.
 */
export function respond(c: HttpContext, answer: Answer, options: { shared: boolean }): Response {
  const isRead = c.req.method === 'GET' || c.req.method === 'HEAD';
  const cacheable = isRead && answer.status < 400;
  const caching = options.shared ? 'no-cache' : 'private, no-cache';
  const edgeHeaders = c.get('edgeHeaders');
  const headers: Record<string, string> = {
    ...edgeHeaders,
    'cache-control': cacheable ? caching : 'no-store',
    ...answer.headers,
  };
  c.set('hasEdgeHeaders', true);
  if (answer.headers !== undefined) {
    // Found here, one that is malformed is a bug like any other; as the answer is written, it would be too late.
    for (const [name, value] of Object.entries(answer.headers)) validateHeaderValue(name, value);
  }
  if (answer.body === undefined) return bodyless(c, answer.status, headers);

  const text = JSON.stringify(answer.body);
  if (answer.version !== undefined) {
    headers.etag = etagOf(answer.version, text);
    if (cacheable && isUnchanged(c.req.header('if-none-match') ?? null, headers.etag)) {
      return bodyless(c, 304, headers);
    }
  }
  headers['content-type'] = answer.status >= 400 ? 'application/problem+json' : 'application/json';
  const bytes = Buffer.byteLength(text);
  headers['content-length'] = String(bytes);
  const mayCompress = edgeHeaders !== undefined && bytes >= COMPRESS_BYTES && c.req.method !== 'HEAD';
  if (mayCompress) headers.vary = 'Accept-Encoding';
  c.set('isUncompressed', !mayCompress || c.req.header('accept-encoding') === undefined);
  // Not by the context, which would make a `Headers` of the plain ones.
  return new Response(text, { status: answer.status, headers });
}

function bodyless(c: HttpContext, status: number, headers: Record<string, string>): Response {
  c.set('isUncompressed', true);
  return new Response(null, { status, headers });
}
