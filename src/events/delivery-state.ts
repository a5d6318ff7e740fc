/** Where a delivery that is not done stands; in a file of its own, so that commands can name it without drizzle. */
export const deliveryStates = ['pending', 'leased', 'parked'] as const;
export type DeliveryState = (typeof deliveryStates)[number];
