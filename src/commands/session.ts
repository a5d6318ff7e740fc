import { type ApiClient, problemOf, ShopUnavailable } from './api-client.ts';
import { CommandError, exitCodes } from './exit-codes.ts';

/** A token is renewed this long before it ends, so that no request is under way with one that ends meanwhile. */
const RENEW_BEFORE_MS = 60_000;

export interface Credentials {
  readonly email: string;
  readonly password: string;
}

/** Somebody signed in. */
export interface Session {
  /** An access token with at least RENEW_BEFORE_MS to go. */
  token(): Promise<string>;
}

/** Signs in. Fails with exit code 77 when the shop refuses the credentials. */
export async function signIn(client: ApiClient, credentials: Credentials): Promise<Session> {
  let current = await login(client, credentials);
  let renewing: Promise<void> | undefined;

  async function renew(): Promise<void> {
    // A refresh whose answer is lost has spent the refresh token, and spending it twice revokes the family, so
    // whatever goes wrong a fresh login is the way on.
    const refreshed = await client
      .request('POST', '/auth/refresh', { json: { refreshToken: current.refreshToken } })
      .catch((error: unknown) => {
        if (error instanceof ShopUnavailable) return undefined;
        throw error;
      });
    current = refreshed?.status === 200 ? tokensOf(refreshed.body) : await login(client, credentials);
  }

  return {
    async token() {
      if (performance.now() > current.renewAtMs) {
        // Callers that come meanwhile wait for the same renewal.
        renewing ??= renew().finally(() => {
          renewing = undefined;
        });
        await renewing;
      }
      return current.accessToken;
    },
  };
}

/** Registers the customer, unless an earlier run has, and signs in. */
export async function registerAndSignIn(
  client: ApiClient,
  customer: Credentials & { username: string },
): Promise<Session> {
  const { username, email, password } = customer;
  const answer = await client.request('POST', '/users', { json: { username, email, password } });
  const taken = answer.status === 409 && ['email_taken', 'username_taken'].includes(answer.body?.code);
  if (answer.status !== 201 && !taken) {
    throw new CommandError(exitCodes.failed, `${username} cannot be registered: ${problemOf(answer)}`);
  }
  return await signIn(client, { email, password });
}

interface Tokens {
  readonly accessToken: string;
  readonly refreshToken: string;
  readonly renewAtMs: number;
}

async function login(client: ApiClient, credentials: Credentials): Promise<Tokens> {
  const { email, password } = credentials;
  const answer = await client.request('POST', '/auth/login', { json: { email, password } });
  if (answer.status === 200) return tokensOf(answer.body);
  throw new CommandError(exitCodes.noPermission, `${email} cannot sign in: ${problemOf(answer)}`);
}

function tokensOf(body: { accessToken: string; refreshToken: string; expiresIn: number }): Tokens {
  const { accessToken, refreshToken, expiresIn } = body;
  return {
    accessToken,
    refreshToken,
    renewAtMs: performance.now() + expiresIn * 1000 - RENEW_BEFORE_MS,
  };
}
