import { isAppError } from '#platform/errors';
import type { SagaDefinition } from '#platform/saga/saga';
import { enter } from '#platform/telemetry/trace';
import type { CancelData } from './cancel-saga.ts';
import { changeOrder } from './change-order.ts';
import { WINDOW_CLOSED } from './charge-step.ts';
import { UNPAID_SWEEP_BATCH, UNPAID_WINDOW_MS } from './limits.ts';
import type { OrderContext } from './order-context.ts';
import { findUnpaid } from './store.ts';

/**
 * Cancels the orders that were not paid in time, by the database's clock. Each is decided again under its own
 * lock, so it does no harm that several workers find the same ones, or that one is paid meanwhile.
 */
export async function expireUnpaid(context: OrderContext, saga: SagaDefinition<CancelData>): Promise<void> {
  const { database, log } = context;
  for (const orderId of await findUnpaid(database, UNPAID_WINDOW_MS, UNPAID_SWEEP_BATCH)) {
    const about = { requestId: `expire-${orderId}`, ids: { orderId } };
    const work = () => expireOrder(context, saga, orderId);
    // One order that cannot be cancelled now must not keep the others from it.
    await enter('expire order', { parent: undefined }, about, work).catch((error: unknown) => {
      if (!isAppError(error, 'saga_open'))
        log.warn({ err: error, orderId }, 'unpaid order not cancelled yet');
    });
  }
}

async function expireOrder(
  context: OrderContext,
  saga: SagaDefinition<CancelData>,
  orderId: string,
): Promise<void> {
  const { database, outbox, sagas } = context;
  const sagaId = context.newId();
  const expired = await database.transaction(async (tx) => {
    const row = await changeOrder(tx, outbox, orderId, { do: 'expire', reason: WINDOW_CLOSED });
    if (row) await sagas.start(tx, saga, { id: sagaId, subject: orderId, data: { orderId } });
    return row !== undefined;
  });
  if (expired) await sagas.drive(sagaId);
}
