import { z } from 'zod';
import { pageOf, pageQuery } from '#platform/http/cursor';
import { defineRoutes } from '#platform/http/route';
import { roleSchema, userSchema } from './contract.ts';
import { EMAIL_LENGTH, PASSWORD_MAX_LENGTH } from './limits.ts';
import { tokenPairSchema } from './token-pair.ts';
import { emailSchema, newPasswordSchema, usernameSchema } from './user.ts';

const userParams = z.object({ id: z.uuid() });
const triedPassword = z.string().min(1).max(PASSWORD_MAX_LENGTH);
const refreshToken = z.string().min(1).max(100);
const changeBody = z.strictObject({ username: usernameSchema.optional(), email: emailSchema.optional() });

const oneUser = { 200: { description: 'The user.', schema: userSchema } };
const taken = {
  email_taken: { status: 409, description: 'The e-mail address has an account.' },
  username_taken: { status: 409, description: 'The username is taken, in whatever case.' },
};
const lastAdminProblem = {
  last_admin: { status: 409, description: 'The shop would be left without an admin.' },
};
const wrongPassword = {
  invalid_credentials: { status: 401, description: 'The address or the password is wrong.' },
};
const selfOrAdmin = 'Of oneself, or as an admin of anyone; to all others the id does not exist.';

export const userRoutes = defineRoutes({
  registerUser: {
    method: 'post',
    path: '/users',
    summary: 'Register a customer',
    access: 'anyone',
    body: z.strictObject({ email: emailSchema, username: usernameSchema, password: newPasswordSchema }),
    answers: { 201: { description: 'The new user.', schema: userSchema } },
    problems: taken,
  },
  logIn: {
    method: 'post',
    path: '/auth/login',
    summary: 'Sign in',
    description:
      'After many wrong passwords of one account the next tries have to wait (429, `Retry-After`).',
    access: 'anyone',
    body: z.strictObject({
      email: z
        .string()
        .min(1)
        .max(EMAIL_LENGTH + 2),
      password: triedPassword,
    }),
    answers: { 200: { description: 'A new session.', schema: tokenPairSchema } },
    problems: wrongPassword,
  },
  refreshSession: {
    method: 'post',
    path: '/auth/refresh',
    summary: 'Get a new pair of tokens',
    description: 'The refresh token is spent by it. A spent one that is shown again ends its session.',
    access: 'anyone',
    body: z.strictObject({ refreshToken }),
    answers: { 200: { description: 'The new pair.', schema: tokenPairSchema } },
    problems: {
      invalid_refresh_token: { status: 401, description: 'The token is unknown, spent or expired.' },
    },
  },
  logOut: {
    method: 'post',
    path: '/auth/logout',
    summary: 'Sign out',
    description: 'Ends the session of the refresh token. Its access tokens last until they expire.',
    access: 'customer',
    idempotency: 'ignored',
    body: z.strictObject({ refreshToken }),
    answers: { 204: { description: 'The session is over, or was.' } },
  },
  changePassword: {
    method: 'put',
    path: '/users/me/password',
    summary: 'Change the own password',
    description: 'All other sessions end. After many wrong passwords the next tries have to wait (429).',
    access: 'customer',
    body: z.strictObject({ currentPassword: triedPassword, newPassword: newPasswordSchema }),
    answers: { 204: { description: 'The new password counts.' } },
    problems: wrongPassword,
  },
  readMe: {
    method: 'get',
    path: '/users/me',
    summary: 'Read oneself',
    access: 'customer',
    answers: oneUser,
  },
  readUser: {
    method: 'get',
    path: '/users/{id}',
    summary: 'Read a user',
    description: selfOrAdmin,
    access: 'customer',
    params: userParams,
    answers: oneUser,
  },
  listUsers: {
    method: 'get',
    path: '/users',
    summary: 'List users, newest first',
    access: 'admin',
    query: z.object({ ...pageQuery, email: emailSchema.optional(), role: roleSchema.optional() }),
    answers: { 200: { description: 'A page of users.', schema: pageOf(userSchema) } },
  },
  changeUser: {
    method: 'patch',
    path: '/users/{id}',
    summary: 'Change username or e-mail address',
    description: selfOrAdmin,
    access: 'customer',
    params: userParams,
    body: changeBody,
    answers: oneUser,
    problems: taken,
  },
  putUser: {
    method: 'put',
    path: '/users/{id}',
    summary: 'Change username or e-mail address, as PATCH does',
    description: selfOrAdmin,
    access: 'customer',
    params: userParams,
    body: changeBody,
    answers: oneUser,
    problems: taken,
  },
  eraseUser: {
    method: 'delete',
    path: '/users/{id}',
    summary: 'Erase a user for good',
    description: `Personal data goes, orders stay, sessions end. ${selfOrAdmin}`,
    access: 'customer',
    params: userParams,
    answers: { 204: { description: 'The user is erased.' } },
    problems: lastAdminProblem,
  },
  setRole: {
    method: 'put',
    path: '/users/{id}/role',
    summary: "Set a user's role",
    description: 'It shows in the access tokens made from then on; older ones last up to 15 minutes.',
    access: 'admin',
    params: userParams,
    body: z.strictObject({ role: roleSchema }),
    answers: oneUser,
    problems: lastAdminProblem,
  },
  readKeys: {
    method: 'get',
    path: '/.well-known/jwks.json',
    absolute: true,
    summary: 'The keys that verify access tokens',
    access: 'anyone',
    answers: {
      200: {
        description: 'A JSON Web Key Set (RFC 7517).',
        schema: z.object({ keys: z.array(z.record(z.string(), z.unknown())) }).meta({ id: 'KeySet' }),
      },
    },
  },
});
