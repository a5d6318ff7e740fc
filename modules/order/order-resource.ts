import { z } from 'zod';
import type { Answer } from '#platform/http/route';
import { moneySchema } from '#platform/money';
import { orderItemSchema } from './contract.ts';
import { ADDRESS_MEMBER_LENGTH, ADDRESS_MEMBERS } from './limits.ts';
import { orderStatuses } from './order.ts';
import type { AddressedOrderRow, OrderRow } from './store.ts';

const addressLine = z.string().max(ADDRESS_MEMBER_LENGTH);

/** Where an order goes. Countries differ, so besides the usual members any other short text is kept too. */
export const addressSchema = z
  .object({
    name: addressLine.optional(),
    company: addressLine.optional(),
    line1: addressLine.optional(),
    line2: addressLine.optional(),
    city: addressLine.optional(),
    state: addressLine.optional(),
    postalCode: addressLine.optional(),
    country: addressLine.optional(),
    phone: addressLine.optional(),
  })
  .catchall(addressLine)
  .refine((address) => Object.keys(address).length <= ADDRESS_MEMBERS, 'too many members')
  .meta({ id: 'Address' });

export const orderSchema = z
  .object({
    id: z.uuid(),
    number: z.string(),
    userId: z.uuid(),
    status: z.enum(orderStatuses),
    currency: z.string(),
    items: z.array(orderItemSchema),
    total: moneySchema,
    shippingAddress: addressSchema.nullable(),
    reason: z.string().nullable(),
    trackingNumber: z.string().nullable(),
    paymentId: z.uuid().nullable(),
    version: z.int(),
    createdAt: z.iso.datetime(),
    updatedAt: z.iso.datetime(),
  })
  .meta({ id: 'Order' });

export type OrderBody = z.output<typeof orderSchema>;

/** An order as the API shows it. */
export function orderBody(row: AddressedOrderRow): OrderBody {
  const { total, items, ...rest } = row;
  return { ...rest, items: [...items], total: { amount: total, currency: row.currency } };
}

/**
 * An answer as it may be stored: without the address, which is personal. `withAddress` puts it back when the
 * answer is given, so that the first client and every repeat read the same as long as the address is kept.
 */
export function storableAnswer(status: number, row: OrderRow): Answer {
  const body = orderBody({ ...row, shippingAddress: null });
  return {
    status,
    body,
    version: row.version,
    headers: status === 201 ? { location: orderPath(row.id) } : {},
  };
}

export function orderPath(orderId: string): string {
  return `/api/v1/orders/${orderId}`;
}
