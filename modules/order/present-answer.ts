import type { Queryable } from '#platform/database/database';
import type { Answer } from '#platform/http/route';
import { type OrderBody, orderBody, orderPath } from './order-resource.ts';
import { type Address, findAddress } from './personal-store.ts';
import { findOrder } from './store.ts';

/**
 * Puts the address, null after erasure, back into an answer that was made to be stored. Problems have none. It is looked
 * up unless `known`.
 */
export async function withAddress(from: Queryable, answer: Answer, known?: Address | null): Promise<Answer> {
  if (answer.status >= 400) return answer;
  const body = answer.body as OrderBody;
  const shippingAddress = known === undefined ? await findAddress(from, body.id) : known;
  return { ...answer, body: { ...body, shippingAddress } };
}

/** The answer while an order's saga is still under way: never stored, so a repeat asks for the outcome again. */
export async function openAnswer(from: Queryable, orderId: string): Promise<Answer> {
  const row = await findOrder(from, orderId);
  if (!row) throw new Error(`order ${orderId} exists once its saga was started`);
  return { status: 202, body: orderBody(row), headers: { location: orderPath(orderId) } };
}
