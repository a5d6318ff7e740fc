import type { MiddlewareHandler } from 'hono';
import type { HttpEnv } from './http-env.ts';

/** What browsers are told to keep from. An API has nothing to load or to frame; the documentation sets its own policy. */
export const SECURITY_HEADERS = {
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'origin-agent-cluster': '?1',
  'referrer-policy': 'no-referrer',
  // Our TLS says nothing of the names below ours.
  'strict-transport-security': 'max-age=15552000',
  'x-content-type-options': 'nosniff',
  'x-dns-prefetch-control': 'off',
  'x-download-options': 'noopen',
  'x-frame-options': 'DENY',
  'x-permitted-cross-domain-policies': 'none',
  'x-xss-protection': '0',
} as const;

/**
 * Gives each answer these headers, and those that a request adds to its variable `edgeHeaders`, unless the answer
 * has one of the name. `respond` writes them into its answers as it makes them: to set them on a response that is
 * made already, its headers are parsed, sorted and copied, which takes longer than all else on a short way.
 */
export function edgeHeaders(headers: Readonly<Record<string, string>>): MiddlewareHandler<HttpEnv> {
  return async (c, next) => {
    const added: Record<string, string> = { ...headers };
    c.set('edgeHeaders', added);
    await next();
    if (c.get('hasEdgeHeaders')) return;
    for (const [name, value] of Object.entries(added)) {
      if (!c.res.headers.has(name)) c.res.headers.set(name, value);
    }
  };
}
