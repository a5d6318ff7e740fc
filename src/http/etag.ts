import { hash } from 'node:crypto';

/** `"<version>.<hash of the body>"`: writes compare the version, reads the whole. */
export function etagOf(version: number, body: string): string {
  return `"${version}.${hash('sha256', body, 'base64url').slice(0, 16)}"`;
}

/**
 * The opaque tags of an `If-Match` or `If-None-Match` header. `W/` is dropped: compression adds it, and the
 * resource behind it is the same. Undefined when the header is absent or `*`; malformed ones name no tag, so
 * that a write they guard is refused.
 */
export function parseEtags(header: string | null): readonly string[] | undefined {
  if (header === null || header.trim() === '*') return undefined;
  return [...header.matchAll(/(?:W\/)?"([^"]*)"/g)].map((match) => match[1] ?? '');
}

/** Whether a read needs no body, since the client has this very one. */
export function isUnchanged(ifNoneMatch: string | null, etag: string): boolean {
  if (ifNoneMatch?.trim() === '*') return true;
  return parseEtags(ifNoneMatch)?.includes(etag.slice(1, -1)) ?? false;
}
