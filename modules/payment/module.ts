import { defineModule } from '#platform/module';
import { auditPayments } from './audit.ts';
import { chargeOrder } from './charge-order.ts';
import { paymentContract } from './contract.ts';
import { createHandlers } from './handlers.ts';
import { CLEANUP_MS, SANDBOX_WEBHOOK_POLL_MS, SWEEP_MS } from './limits.ts';
import { readPayments } from './read-payment.ts';
import { reverseOrder } from './reverse-order.ts';
import { paymentRoutes } from './routes.ts';
import { createSandbox } from './sandbox/sandbox.ts';
import { sendWebhooks } from './sandbox/send-webhooks.ts';
import { deleteOldWebhookEvents, sumSettlements } from './store.ts';
import { sweepPayments } from './sweep.ts';

export const paymentModule = defineModule({
  contract: paymentContract,
  schema: 'payments',
  needs: {},
  routes: paymentRoutes,
  create(platform) {
    const { database, outbox, idempotency, log, config } = platform;
    const provider = createSandbox(database);
    const context = { database, outbox, idempotency, log, newId: platform.newId, provider };
    const webhookSecret = async () =>
      config.paymentWebhookSecret ?? (await platform.secret('payment-webhook'));
    return {
      api: {
        charge: (input) => chargeOrder(context, input),
        reverse: ({ orderId }) => reverseOrder(context, orderId),
        payments: async ({ orderIds }) => ({ payments: await readPayments(context, orderIds) }),
        settlements: async ({ orderIds }) => ({ settlements: await sumSettlements(database, orderIds) }),
      },
      handlers: createHandlers(context, webhookSecret),
      schedules: [
        { name: 'sweep-payments', everyMs: SWEEP_MS, run: () => sweepPayments(context) },
        {
          name: 'send-sandbox-webhooks',
          everyMs: SANDBOX_WEBHOOK_POLL_MS,
          run: () => sendWebhooks(platform, webhookSecret),
        },
        {
          name: 'delete-old-webhook-events',
          everyMs: CLEANUP_MS,
          run: () => deleteOldWebhookEvents(database),
        },
      ],
      audit: [auditPayments(context)],
    };
  },
});
