import { z } from 'zod';
import type { SignAccessToken, TokenSubject } from './access-token.ts';
import { ACCESS_TOKEN_SECONDS } from './limits.ts';

export const tokenPairSchema = z
  .object({
    accessToken: z.string(),
    tokenType: z.literal('Bearer'),
    expiresIn: z.int().meta({ description: 'Seconds.' }),
    refreshToken: z.string().meta({ description: 'Good for one refresh.' }),
  })
  .meta({ id: 'TokenPair' });

export type TokenPair = z.output<typeof tokenPairSchema>;

export async function makeTokenPair(
  sign: SignAccessToken,
  subject: TokenSubject,
  refreshToken: string,
): Promise<TokenPair> {
  const accessToken = await sign(subject);
  return { accessToken, tokenType: 'Bearer', expiresIn: ACCESS_TOKEN_SECONDS, refreshToken };
}
