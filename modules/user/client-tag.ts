import { createHash } from 'node:crypto';
import { clientPrefix } from '#platform/http/client-address';

/** What stands for a client's address in our tables: enough to know it again, not enough to read it off. */
export function clientTag(address: string): string {
  return createHash('sha256').update(clientPrefix(address)).digest('base64url');
}
