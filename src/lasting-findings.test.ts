import { expect, test } from 'vitest';
import type { Finding } from './audit.ts';
import { lastingFindings } from './lasting-findings.ts';

const stock = (onHand: number): Finding => ({
  invariant: 'I1',
  subject: 'variant 1 (sku A)',
  detail: `${onHand} on hand`,
});
const money: Finding = { invariant: 'I2', subject: 'order 1', detail: 'is paid twice' };

async function* all(findings: readonly Finding[]): AsyncGenerator<Finding> {
  yield* findings;
}

/** Looks that find what is listed for each, one after the other. */
async function findIn(...looks: Finding[][]): Promise<Finding[]> {
  let seen = 0;
  return await lastingFindings(
    () => all(looks[seen++] ?? []),
    async () => seen < looks.length,
  );
}

test('what one look does not find was only on its way', async () => {
  expect(await findIn([stock(7), money], [stock(7)])).toEqual([stock(7)]);
  expect(await findIn([money], [])).toEqual([]);
});

test('what only a later look finds may be on its way', async () => {
  expect(await findIn([stock(7)], [stock(7), money])).toEqual([stock(7)]);
});

test('broken stock that goes on being sold is found, though its figures differ from look to look', async () => {
  expect(await findIn([stock(9)], [stock(8)], [stock(7)])).toEqual([stock(7)]);
});

test('all that is wrong of one subject is told', async () => {
  const reserved = { ...stock(7), detail: '3 reserved, but open reservations add up to 2' };
  expect(await findIn([stock(7), reserved], [stock(6), reserved])).toEqual([stock(6), reserved]);
});
