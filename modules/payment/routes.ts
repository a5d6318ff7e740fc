import { z } from 'zod';
import { defineRoutes } from '#platform/http/route';
import { currencySchema, moneySchema } from '#platform/money';
import { paymentSchema } from './contract.ts';
import { REFUND_REASON_LENGTH, WEBHOOK_BYTES } from './limits.ts';

const paymentId = z.object({ id: z.uuid() });

export const refundSchema = z
  .object({
    id: z.uuid(),
    paymentId: z.uuid(),
    amount: moneySchema,
    reason: z.string(),
    createdAt: z.iso.datetime(),
  })
  .meta({ id: 'Refund' });

export const paymentRoutes = defineRoutes({
  getPayment: {
    method: 'get',
    path: '/payments/{id}',
    summary: 'Show a payment',
    description: 'To its owner and to staff. A charge without an outcome yet is not shown.',
    access: 'customer',
    params: paymentId,
    answers: { 200: { description: 'The payment', schema: paymentSchema } },
  },
  refundPayment: {
    method: 'post',
    path: '/payments/{id}/refunds',
    summary: 'Give back all or part of a captured payment',
    access: 'staff',
    params: paymentId,
    body: z
      .strictObject({
        amount: z.strictObject({ amount: z.int().min(1), currency: currencySchema }),
        reason: z
          .string()
          .min(1)
          .max(REFUND_REASON_LENGTH)
          // Neither can be kept as text by the database.
          .refine((reason) => reason.isWellFormed() && !reason.includes('\0'), 'not well-formed text'),
      })
      .meta({ id: 'NewRefund' }),
    idempotency: 'required',
    answers: { 201: { description: 'The refund', schema: refundSchema } },
    problems: {
      refund_exceeds_capture: { status: 409, description: 'More than is left; `left` says how much is' },
      invalid_transition: { status: 409, description: 'The payment is not captured' },
      currency_mismatch: { status: 422, description: 'The payment is in another currency' },
    },
  },
  receiveWebhook: {
    method: 'post',
    path: '/payments/webhooks/{provider}',
    summary: 'Take in an event of a payment provider',
    description:
      'Signed by the header `Webhook-Signature: t=<unix seconds>,v1=<hex>`, where v1 is the HMAC-SHA256 of ' +
      '`<t>.<body>`; t may be 300 s off, and several v1 may be given. An event that came before changes nothing.',
    access: 'anyone',
    params: z.object({ provider: z.string().max(64) }),
    rawBody: { as: 'bytes', contentType: 'application/json', maxBytes: WEBHOOK_BYTES },
    answers: { 200: { description: 'Taken in', schema: z.object({ received: z.literal(true) }) } },
    problems: {
      invalid_signature: { status: 400, description: 'The signature is missing, wrong or too old' },
    },
  },
});
