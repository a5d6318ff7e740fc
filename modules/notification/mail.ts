import { z } from 'zod';
import { moneySchema } from '#platform/money';

/** What a mail is about: as much as its event told, and nothing personal. */
export const mailSubjectSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('order_paid'), data: z.object({ orderId: z.uuid() }) }),
  z.object({
    kind: z.literal('order_shipped'),
    data: z.object({ number: z.string(), trackingNumber: z.string(), carrier: z.string().nullable() }),
  }),
  z.object({
    kind: z.literal('order_refunded'),
    data: z.object({ number: z.string(), amount: moneySchema }),
  }),
  z.object({ kind: z.literal('password_changed'), data: z.object({}) }),
]);

export type MailSubject = z.output<typeof mailSubjectSchema>;

/** A mail to be sent; its id is that of its event. */
export interface Mail {
  readonly id: string;
  readonly userId: string;
  readonly about: MailSubject;
  /** The trace that it is part of, as `formatTrace` writes it. */
  readonly trace: string | null;
}

/** A mail that this process has claimed; the fence proves it. */
export interface ClaimedMail extends Mail {
  readonly fence: number;
  /** This try included. */
  readonly attempts: number;
}
