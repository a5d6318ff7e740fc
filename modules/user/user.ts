import { z } from 'zod';
import { AppError } from '#platform/errors';
import { hasRole, type Principal } from '#platform/http/route';
import { isCommonPassword } from './common-passwords.ts';
import { EMAIL_LENGTH, PASSWORD_MAX_LENGTH, PASSWORD_MIN_LENGTH, USERNAME_LENGTH } from './limits.ts';

/** An e-mail address in the form that counts: no spaces around it, lower case. */
export const emailSchema = z
  .string()
  .trim()
  .toLowerCase()
  .max(EMAIL_LENGTH, { abort: true })
  .check(z.email());

/** A name for people to read: visible characters and single spaces of any script. */
export const usernameSchema = z
  .string()
  .normalize('NFKC')
  .trim()
  .min(1)
  .max(USERNAME_LENGTH, { abort: true })
  .regex(/^[^\p{C}\p{Zl}\p{Zp}]+$/u, 'holds characters that do not show');

/** A password that somebody chooses; one that is merely tried may be anything. */
export const newPasswordSchema = z
  .string()
  .min(PASSWORD_MIN_LENGTH)
  .max(PASSWORD_MAX_LENGTH, { abort: true })
  .refine((password) => !isCommonPassword(password), 'is among the most common passwords');

/** What makes two usernames the same one: `Anna` and `anna` are. */
export function usernameKey(username: string): string {
  return username.toLowerCase();
}

/** The stream of one user's events. */
export function userStream(userId: string): string {
  return `user:${userId}`;
}

/** Lets people at their own data and admins at everybody's; to anyone else the id does not exist (404). */
export function requireSelfOrAdmin(principal: Principal, userId: string): void {
  if (principal.userId !== userId && !hasRole(principal.role, 'admin')) throw userNotFound();
}

export function userNotFound(): AppError {
  return new AppError('not_found', 'not_found', 'there is no such user');
}

/** The same words for an unknown address and a wrong password. */
export function invalidCredentials(): AppError {
  return new AppError(
    'unauthenticated',
    'invalid_credentials',
    'the e-mail address or the password is wrong',
  );
}

export function lastAdmin(): AppError {
  return new AppError('conflict', 'last_admin', 'the shop would be left without an admin');
}
