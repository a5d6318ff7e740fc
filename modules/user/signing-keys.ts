import { calculateJwkThumbprint, exportJWK, generateKeyPair } from 'jose';
import type { KeyPair } from './key-store.ts';

/** The rotation id of a shop's first key, the same in every process that might make it. */
export const FIRST_ROTATION = '00000000-0000-4000-8000-000000000000';

/** A new Ed25519 key pair, named by its thumbprint (RFC 7638). */
export async function generateSigningKey(): Promise<KeyPair> {
  const pair = await generateKeyPair('EdDSA', { crv: 'Ed25519', extractable: true });
  const publicJwk = await exportJWK(pair.publicKey);
  const kid = await calculateJwkThumbprint(publicJwk);
  const named = { kid, alg: 'EdDSA', use: 'sig' };
  return {
    kid,
    publicJwk: { ...publicJwk, ...named },
    privateJwk: { ...(await exportJWK(pair.privateKey)), ...named },
  };
}
