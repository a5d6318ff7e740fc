import { z } from 'zod';
import { command, defineContract, query } from '#platform/rpc/contract';

export const roleSchema = z.enum(['customer', 'staff', 'admin']);

export const userSchema = z
  .object({
    id: z.uuid(),
    email: z.email(),
    username: z.string(),
    role: roleSchema,
    createdAt: z.iso.datetime(),
    updatedAt: z.iso.datetime(),
  })
  .meta({ id: 'User' });

export type User = z.output<typeof userSchema>;

export const userContract = defineContract('user', {
  calls: {
    /** The public keys that verify access tokens, as a JSON Web Key Set; newest first. */
    jwks: query({
      input: z.object({}),
      output: z.object({ keys: z.array(z.record(z.string(), z.unknown())) }),
      errors: [],
    }),
    /** The users with these ids, in any order; unknown and erased ones are left out. */
    profiles: query({
      input: z.object({ ids: z.array(z.uuid()).max(100) }),
      output: z.object({ users: z.array(userSchema) }),
      errors: [],
    }),
    /**
     * Makes a new key pair for access tokens, once per `rotationId`. It is published at once and signs from
     * `signsFrom` on, when every verifier has it; the old one verifies until its last token has expired.
     */
    rotateKeys: command({
      key: 'rotationId',
      input: z.object({ rotationId: z.uuid() }),
      output: z.object({ kid: z.string(), signsFrom: z.iso.datetime() }),
      errors: [],
    }),
  },
});
