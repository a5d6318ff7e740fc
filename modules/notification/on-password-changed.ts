import type { userPasswordChanged } from '#modules/user/events';
import type { DataOf } from '#platform/events/event';
import { queueMails } from './queue-mail.ts';

/** Lets a user know, in case it was not them. */
export function createOnPasswordChanged(wake: () => void) {
  return queueMails<DataOf<typeof userPasswordChanged>>(wake, () => ({ kind: 'password_changed', data: {} }));
}
