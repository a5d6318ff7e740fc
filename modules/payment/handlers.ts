import { invariant } from '#platform/errors';
import type { Handlers } from '#platform/http/route';
import type { PaymentContext } from './context.ts';
import { readPayment } from './read-payment.ts';
import { receiveWebhook } from './receive-webhook.ts';
import { refundPayment } from './refund-payment.ts';
import type { paymentRoutes } from './routes.ts';

export function createHandlers(
  context: PaymentContext,
  webhookSecret: () => Promise<string>,
): Handlers<typeof paymentRoutes> {
  return {
    async getPayment({ params, principal }) {
      const { payment, version } = await readPayment(context, params.id, principal);
      return { status: 200, body: payment, version };
    },
    async refundPayment({ params, body, claim }) {
      return await refundPayment(context, { paymentId: params.id, ...body, claim });
    },
    async receiveWebhook({ params, bytes, headers }) {
      invariant(bytes, 'the route reads its body as bytes');
      await receiveWebhook(context, webhookSecret, { provider: params.provider, bytes, headers });
      return { status: 200, body: { received: true } };
    },
  };
}
