import type { Answer, Handlers, RouteCall } from '#platform/http/route';
import { sessionOf } from './access-token.ts';
import type { User } from './contract.ts';
import { JWKS_MAX_AGE_SECONDS } from './limits.ts';
import type { userRoutes } from './routes.ts';
import type { TokenPair } from './token-pair.ts';
import type { UseCases } from './use-cases.ts';
import { requireSelfOrAdmin } from './user.ts';

/** PATCH and PUT differ in their method only. */
type ChangeCall = Pick<RouteCall<typeof userRoutes.changeUser>, 'params' | 'principal' | 'body' | 'ifMatch'>;

/** From each route to its use case and back. */
export function createHandlers(use: UseCases): Handlers<typeof userRoutes> {
  const changeUser = async ({ params, principal, body, ifMatch }: ChangeCall) => {
    requireSelfOrAdmin(principal, params.id);
    return showUser(200, await use.changeUser(params.id, body, ifMatch));
  };

  return {
    async registerUser({ body }) {
      const user = await use.registerUser(body);
      return { ...showUser(201, user), headers: { location: `/api/v1/users/${user.id}` } };
    },
    async logIn({ body, clientAddress }) {
      return showTokens(await use.logIn({ ...body, clientAddress }));
    },
    async refreshSession({ body }) {
      return showTokens(await use.refreshSession(body.refreshToken));
    },
    async logOut({ principal, body }) {
      await use.logOut(principal.userId, body.refreshToken);
      return { status: 204 };
    },
    async changePassword({ principal, body, headers, clientAddress }) {
      const { userId } = principal;
      await use.changePassword({ ...body, userId, sessionId: sessionOf(headers), clientAddress });
      return { status: 204 };
    },
    async readMe({ principal }) {
      return showUser(200, await use.readUser(principal.userId));
    },
    async readUser({ params, principal }) {
      requireSelfOrAdmin(principal, params.id);
      return showUser(200, await use.readUser(params.id));
    },
    async listUsers({ query }) {
      const { users, nextCursor } = await use.listUsers(query);
      return { status: 200, body: { data: users.map(withoutVersion), nextCursor } };
    },
    changeUser,
    putUser: changeUser,
    async eraseUser({ params, principal, ifMatch }) {
      requireSelfOrAdmin(principal, params.id);
      await use.eraseUser(params.id, ifMatch);
      return { status: 204 };
    },
    async setRole({ params, body, ifMatch }) {
      return showUser(200, await use.setRole(params.id, body.role, ifMatch));
    },
    async readKeys() {
      const headers = { 'cache-control': `public, max-age=${JWKS_MAX_AGE_SECONDS}` };
      return { status: 200, headers, body: { keys: await use.readKeys() } };
    },
  };
}

type VersionedUser = User & { readonly version: number };

function withoutVersion({ version: _, ...user }: VersionedUser): User {
  return user;
}

function showUser(status: number, user: VersionedUser): Answer {
  return { status, version: user.version, body: withoutVersion(user) };
}

function showTokens(pair: TokenPair): Answer {
  return { status: 200, headers: { 'cache-control': 'no-store' }, body: pair };
}
