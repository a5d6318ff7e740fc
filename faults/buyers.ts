import { setTimeout as sleep } from 'node:timers/promises';
import { decodeJwt, decodeProtectedHeader, importJWK, SignJWT } from 'jose';
import { uuidv7 } from 'uuidv7';
import type { Cluster } from './cluster.ts';

/** A customer with an access token. */
export interface Buyer {
  readonly id: string;
  readonly token: string;
}

/** A password costs the shop 45 ms; so nobody has one, and a thousand buyers are there at once. */
const NOBODYS_PASSWORD =
  '$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA';

/**
 * Makes customers in the shop's own tables, and signs their access tokens with the shop's own key, as its sign-in
 * would. `sample` is a token that the shop has made, by which issuer, audience and key are known.
 */
export async function makeBuyers(
  cluster: Pick<Cluster, 'query'>,
  sample: string,
  count: number,
): Promise<Buyer[]> {
  const { iss = '', aud = '' } = decodeJwt(sample);
  const { kid = '' } = decodeProtectedHeader(sample);
  const ids = Array.from({ length: count }, () => uuidv7());
  const jwk = await cluster.query(async (sql) => {
    await sql`insert into users.account (id) select unnest(${ids}::uuid[])`;
    await sql`
      insert into users.person (account_id, email, username, username_key, password_hash)
      select id, 'crowd-' || id || '@example.com', 'crowd-' || id, 'crowd-' || id, ${NOBODYS_PASSWORD}
      from unnest(${ids}::uuid[]) as id`;
    const [key] = await sql`select private_jwk from users.signing_key where kid = ${kid}`;
    return key?.private_jwk;
  });
  const key = await importJWK(jwk, 'EdDSA');
  const sign = (id: string) =>
    new SignJWT({ role: 'customer', sid: uuidv7() })
      .setProtectedHeader({ alg: 'EdDSA', typ: 'at+jwt', kid })
      .setIssuer(iss)
      .setAudience(aud)
      .setSubject(id)
      .setIssuedAt()
      .setExpirationTime('15m')
      .setJti(uuidv7())
      .sign(key);
  return await Promise.all(ids.map(async (id) => ({ id, token: await sign(id) })));
}

/** One answer to one try. */
export interface Answered {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: callers read members that the API's description promises.
  readonly body: any;
  readonly retryAfter: string | null;
}

/** Longer than any answer of the shop may take. */
const ATTEMPT_MS = 60_000;

/** Places an order, once. Rejects when no answer comes. */
export async function tryToBuy(
  url: string,
  token: string,
  key: string,
  order: { items: readonly { sku: string; quantity: number }[]; card?: string },
): Promise<Answered> {
  const response = await fetch(new URL('/api/v1/orders', url), {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      'idempotency-key': key,
    },
    body: JSON.stringify({
      items: order.items,
      currency: 'GBP',
      payment: order.card === undefined ? undefined : { method: 'card', token: order.card },
      // By it every order in the database is known to belong to a key.
      shippingAddress: { line1: key },
    }),
    signal: AbortSignal.timeout(ATTEMPT_MS),
  });
  const text = await response.text();
  const isJson = /\bjson\b/.test(response.headers.get('content-type') ?? '');
  return {
    status: response.status,
    body: isJson ? JSON.parse(text) : text,
    retryAfter: response.headers.get('retry-after'),
  };
}

/** Waits as a polite client does: as long as the shop says and up to as long again, so that not all come back at once. */
export async function waitPolitely(retryAfter: string | null): Promise<void> {
  await sleep(Math.max(0.2, Number(retryAfter ?? 0)) * 1_000 * (1 + Math.random()));
}
