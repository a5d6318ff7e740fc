import { uuidv7 } from 'uuidv7';
import { expect, it } from 'vitest';
import { describeContract } from '#platform/testing/contract-runners';
import { paymentContract } from './contract.ts';

const amount = { amount: 1299, currency: 'GBP' };

const newCharge = (token: string, orderId = uuidv7()) => ({
  paymentId: uuidv7(),
  orderId,
  userId: uuidv7(),
  amount,
  method: 'card' as const,
  token,
});

describeContract(paymentContract, (run) => {
  it('charge: takes the money once, however often it is asked', async () => {
    const { api } = run();
    const charge = newCharge('tok_ok');
    expect(await api.charge(charge)).toEqual({ state: 'captured', reason: null });
    expect(await api.charge(charge)).toEqual({ state: 'captured', reason: null });
    const { settlements } = await api.settlements({ orderIds: [charge.orderId, uuidv7()] });
    const { orderId } = charge;
    expect(settlements).toEqual([
      { orderId, captures: 1, captured: 1299, refunded: 0, currency: 'GBP', pending: false },
    ]);
  });

  it('charge: tells why a card was declined', async () => {
    const answer = await run().api.charge(newCharge('tok_declined'));
    expect(answer).toEqual({ state: 'declined', reason: 'card_declined' });
  });

  it('reverse: gives all back once, says so at every repeat, and refuses what comes later', async () => {
    const { api } = run();
    const charge = newCharge('tok_ok');
    const { orderId } = charge;
    await api.charge(charge);
    expect(await api.reverse({ orderId })).toEqual({ refunded: amount, pending: false });
    expect(await api.reverse({ orderId })).toEqual({ refunded: amount, pending: false });
    await expect(api.charge(newCharge('tok_ok', orderId))).rejects.toMatchObject({
      kind: 'conflict',
      code: 'order_reversed',
    });
    const { settlements } = await api.settlements({ orderIds: [orderId] });
    expect(settlements).toMatchObject([{ captured: 1299, refunded: 1299 }]);
  });

  it('reverse: of an order that paid nothing gives nothing back', async () => {
    expect(await run().api.reverse({ orderId: uuidv7() })).toEqual({ refunded: null, pending: false });
  });

  it('payments: shows each payment that has an outcome', async () => {
    const { api } = run();
    const charge = newCharge('tok_ok');
    await api.charge(charge);
    const { payments } = await api.payments({ orderIds: [charge.orderId, uuidv7()] });
    expect(payments).toMatchObject([
      { id: charge.paymentId, orderId: charge.orderId, status: 'captured', amount, refunded: { amount: 0 } },
    ]);
  });
});
