import { SignJWT } from 'jose';
import { uuidv7 } from 'uuidv7';
import { describe, expect, it } from 'vitest';
import { createServiceTokens, noTokens } from './service-token.ts';

const SECRET = 'a secret that all processes of this shop share';

/** A token as somebody with the secret could make it, spoilt in one way. */
async function forge(spoil: {
  alg?: string;
  typ?: string;
  issuer?: string;
  expires?: string;
  subject?: string;
  key?: string;
}): Promise<string> {
  const { alg = 'HS256', typ = 'service+jwt', issuer = 'banyan', expires = '1m', key = SECRET } = spoil;
  const token = new SignJWT().setProtectedHeader({ alg, typ }).setIssuer(issuer).setAudience('order');
  if (expires !== 'never') token.setIssuedAt().setExpirationTime(expires);
  if (spoil.subject !== undefined) token.setSubject(spoil.subject);
  return await token.sign(new TextEncoder().encode(key));
}

describe('a service token', () => {
  it('lets a secret be changed in three rounds of restarts, none of which refuses a call of another', async () => {
    const next = 'the secret that comes next, long enough to be one';
    const before = createServiceTokens(SECRET);
    const first = createServiceTokens(SECRET, next);
    const second = createServiceTokens(next, SECRET);
    const third = createServiceTokens(next);
    for (const [one, other] of [
      [before, first],
      [first, second],
      [second, third],
    ] as const) {
      const userId = '01936f2e-0000-7000-8000-000000000001';
      await expect(other.verify('order', await one.issue('order', { userId }))).resolves.toEqual({ userId });
      await expect(one.verify('order', await other.issue('order', { userId }))).resolves.toEqual({ userId });
    }
    const refused = third.verify('order', await before.issue('order', { userId: undefined }));
    await expect(refused).rejects.toMatchObject({ code: 'invalid_service_token' });
    const wrong = second.verify('product', await first.issue('order', { userId: undefined }));
    await expect(wrong).rejects.toMatchObject({ code: 'wrong_audience' });
  });

  it('carries the user, and opens the module it was made for in every process with the secret', async () => {
    const userId = uuidv7();
    const token = await createServiceTokens(SECRET).issue('order', { userId });
    expect(await createServiceTokens(SECRET).verify('order', token)).toEqual({ userId });
  });

  it('speaks for nobody when no user asked', async () => {
    const tokens = createServiceTokens(SECRET);
    expect(await tokens.verify('order', await tokens.issue('order', { userId: undefined }))).toEqual({
      userId: undefined,
    });
  });

  it('is told apart by user and by module when it is used again', async () => {
    const tokens = createServiceTokens(SECRET);
    const [ann, bob] = [uuidv7(), uuidv7()];
    const first = await tokens.issue('order', { userId: ann });
    expect(await tokens.issue('order', { userId: ann })).toBe(first);
    expect(await tokens.verify('order', await tokens.issue('order', { userId: bob }))).toEqual({
      userId: bob,
    });
    await tokens.verify('order', first);
    await expect(tokens.verify('payment', first)).rejects.toMatchObject({
      kind: 'forbidden',
      code: 'wrong_audience',
    });
  });

  it('is missed when it is not there', async () => {
    const refused = createServiceTokens(SECRET).verify('order', undefined);
    await expect(refused).rejects.toMatchObject({ kind: 'unauthenticated', code: 'unauthenticated' });
  });

  it('opens nothing where there is no secret', async () => {
    const token = await createServiceTokens(SECRET).issue('order', { userId: undefined });
    await expect(noTokens.verify('order', token)).rejects.toMatchObject({ kind: 'unauthenticated' });
  });

  it.each([
    ['is signed with another secret', { key: 'another secret, of some other shop altogether' }],
    ['is signed in another way', { alg: 'HS512', key: SECRET.repeat(2) }],
    ['is a token of another kind', { typ: 'at+jwt' }],
    ['comes from somebody else', { issuer: 'others' }],
    ['has expired, clocks apart or not', { expires: '-5m' }],
    ['never expires', { expires: 'never' }],
    ['names a user that cannot be one', { subject: 'admin' }],
  ])('does not hold when it %s', async (_, spoil) => {
    const token = await forge(spoil);
    await expect(createServiceTokens(SECRET).verify('order', token)).rejects.toMatchObject({
      kind: 'unauthenticated',
      code: 'invalid_service_token',
    });
  });

  it('does not hold without a signature, or when it is no token at all', async () => {
    const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url');
    const exp = Math.floor(Date.now() / 1000) + 60;
    const unsigned = `${encode({ alg: 'none', typ: 'service+jwt' })}.${encode({ iss: 'banyan', aud: 'order', exp })}.`;
    for (const token of [unsigned, 'x', '', 'a.b.c']) {
      await expect(createServiceTokens(SECRET).verify('order', token)).rejects.toMatchObject({
        code: 'invalid_service_token',
      });
    }
  });
});
