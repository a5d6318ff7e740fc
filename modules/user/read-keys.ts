import type { JWK } from 'jose';
import type { ModuleContext } from '#platform/module';
import { findPublicKeys } from './key-store.ts';

/** The public halves of all keys that sign, will sign, or have signed tokens that may still be valid. */
export function createReadKeys({ database }: ModuleContext) {
  return async (): Promise<JWK[]> => await findPublicKeys(database);
}
