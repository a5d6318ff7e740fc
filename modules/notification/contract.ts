import { defineContract } from '#platform/rpc/contract';

export const notificationContract = defineContract('notification', {
  needs: ['user', 'order'],
  consumes: [
    'order.paid.v1',
    'order.shipped.v1',
    'order.refunded.v1',
    'user.password_changed.v1',
    'user.erased.v1',
  ],
  calls: {},
});
