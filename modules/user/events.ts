import { z } from 'zod';
import { defineEvent } from '#platform/events/event';

/** Streams are `user:<id>`. */
export const userPasswordChanged = defineEvent('user.password_changed.v1', z.object({ userId: z.uuid() }));

/** The person's data is gone; whoever keeps some of it beside an id erases it too. */
export const userErased = defineEvent('user.erased.v1', z.object({ userId: z.uuid() }));
