import { withDeadline } from '#platform/deadline';
import type { ModuleContext } from '#platform/module';
import { SANDBOX_WEBHOOK_BATCH, SANDBOX_WEBHOOK_TIMEOUT_MS } from '../limits.ts';
import { claimWebhooks, type DueWebhook, finishWebhook } from './ledger-store.ts';
import { SANDBOX } from './sandbox.ts';
import { SIGNATURE_HEADER, signWebhook } from './signature.ts';

type Sender = Pick<ModuleContext, 'database' | 'callPublicApi' | 'log'>;

/**
 * Captures the authorizations that are due and tells the shop by its public API, as an outside provider would:
 * each webhook is sent until it was answered with 2xx. What is due stands in rows, so restarts lose none; sent
 * twice it has the same id and changes nothing.
 */
export async function sendWebhooks(sender: Sender, secret: () => Promise<string>): Promise<void> {
  const due = await claimWebhooks(sender.database, SANDBOX_WEBHOOK_BATCH);
  if (due.length === 0) return;
  const key = await secret();
  await Promise.all(due.map((webhook) => sendOne(sender, key, webhook)));
}

async function sendOne(sender: Sender, secret: string, webhook: DueWebhook): Promise<void> {
  const { id, key, state, nowMs } = webhook;
  const body = JSON.stringify({ id, type: `charge.${state}`, data: { key } });
  const signature = signWebhook(Buffer.from(body), secret, new Date(nowMs));
  const headers = { 'content-type': 'application/json', [SIGNATURE_HEADER]: signature };
  try {
    const response = await withDeadline(
      sender.callPublicApi(`/api/v1/payments/webhooks/${SANDBOX}`, { method: 'POST', headers, body }),
      SANDBOX_WEBHOOK_TIMEOUT_MS,
      'the shop taking a webhook',
    );
    await response.body?.cancel();
    if (response.ok) return await finishWebhook(sender.database, id);
    sender.log.warn(
      { webhookId: id, status: response.status },
      'sandbox webhook was refused, will be sent again',
    );
  } catch (error) {
    sender.log.warn({ err: error, webhookId: id }, 'sandbox webhook did not arrive, will be sent again');
  }
}
