import { AppError } from '#platform/errors';
import { hasRole, type Principal } from '#platform/http/route';
import type { PaymentContext } from './context.ts';
import type { Payment } from './contract.ts';
import { presentPayment } from './payment.ts';
import { findPayment, listPayments } from './store.ts';

/** The payment, for its owner or staff; anyone else gets the same `not_found` as for an id that never was. */
export async function readPayment(
  { database }: Pick<PaymentContext, 'database'>,
  id: string,
  reader: Principal,
): Promise<{ payment: Payment; version: number }> {
  const row = await findPayment(database, id);
  const payment = row && presentPayment(row);
  if (!payment || (row.userId !== reader.userId && !hasRole(reader.role, 'staff'))) throw paymentNotFound(id);
  return { payment, version: row.version };
}

/** The contract's `payments`: those of these orders that have an outcome. */
export async function readPayments(
  { database }: Pick<PaymentContext, 'database'>,
  orderIds: readonly string[],
): Promise<Payment[]> {
  const rows = await listPayments(database, orderIds);
  return rows.map(presentPayment).filter((payment) => payment !== undefined);
}

export function paymentNotFound(id: string): AppError {
  return new AppError('not_found', 'not_found', `there is no payment ${id}`);
}
