import type { ContentfulStatusCode, StatusCode } from 'hono/utils/http-status';
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
  const headers: Record<string, string> = {
    'cache-control': cacheable ? caching : 'no-store',
    ...answer.headers,
  };
  if (answer.body === undefined) return c.body(null, answer.status as StatusCode, headers);

  const text = JSON.stringify(answer.body);
  if (answer.version !== undefined) {
    headers.etag = etagOf(answer.version, text);
    if (cacheable && isUnchanged(c.req.header('if-none-match') ?? null, headers.etag)) {
      return c.body(null, 304, headers);
    }
  }
  headers['content-type'] = answer.status >= 400 ? 'application/problem+json' : 'application/json';
  // The length is told so that compression can leave short bodies alone.
  headers['content-length'] = String(Buffer.byteLength(text));
  return c.body(text, answer.status as ContentfulStatusCode, headers);
}
