import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { AppError, isAppError } from '../errors.ts';
import { command } from './contract.ts';
import { decodeAnswer, decodeInput, encodeFailure, encodeInput, encodeOutput } from './wire.ts';

const charge = command({
  key: 'id',
  input: z.object({ id: z.string(), amount: z.int().positive() }),
  output: z.object({ state: z.enum(['paid', 'refused']) }),
  errors: ['card_lost'],
});
const same = { sameContract: true };
const other = { sameContract: false };

function answer(sent: { status: number; text: string }, sameness = same): unknown {
  return decodeAnswer('till.charge', charge, sent, sameness);
}

describe('a call between processes', () => {
  it('arrives as it was sent', () => {
    const input = { id: 'a', amount: 5 };
    expect(decodeInput('till.charge', charge, encodeInput(input), same)).toEqual(input);
    expect(answer(encodeOutput({ state: 'paid' }))).toEqual({ state: 'paid' });
  });

  it('fails as it would in one process, with all that the failure tells', () => {
    const failure = new AppError('conflict', 'card_lost', 'the card was lost', {
      extra: { card: '1234' },
      retryAfterSeconds: 3,
    });
    try {
      answer(encodeFailure(failure));
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(AppError);
      expect(error).toMatchObject({
        kind: 'conflict',
        code: 'card_lost',
        message: 'the card was lost',
        extra: { card: '1234' },
        retryAfterSeconds: 3,
      });
    }
  });

  it('may end unavailable without declaring so', () => {
    expect(() => answer(encodeFailure(new AppError('unavailable', 'timeout', 'late')))).toThrow(
      expect.objectContaining({ kind: 'unavailable', code: 'timeout' }),
    );
  });

  it('tells nothing of a bug, which stays one here', () => {
    const sent = encodeFailure(new TypeError('secret is not a function'));
    expect(sent.text).not.toContain('secret');
    expect(() => answer(sent)).toThrow(/failed where it runs/);
    expect(() => answer({ status: 502, text: '<html>' })).toThrow(/502/);
  });
});

describe('a call between versions', () => {
  it('passes while both sides can read each other', () => {
    const newer = { status: 200, text: JSON.stringify({ output: { state: 'paid', receipt: 7 } }) };
    expect(answer(newer, other)).toEqual({ state: 'paid' });
    const text = JSON.stringify({ id: 'a', amount: 5, currency: 'GBP' });
    expect(decodeInput('till.charge', charge, text, other)).toEqual({ id: 'a', amount: 5 });
  });

  it.each([
    ['an input', () => decodeInput('till.charge', charge, '{"id":"a"}', other)],
    ['an answer', () => answer(encodeOutput({ state: 'pending' }), other)],
    ['a failure', () => answer(encodeFailure(new AppError('declined', 'no_credit', 'no')), other)],
  ])('ends in contract_mismatch when %s does not fit', (_, work) => {
    expect(work).toThrow(expect.objectContaining({ kind: 'unavailable', code: 'contract_mismatch' }));
  });

  it.each([
    ['an input', () => decodeInput('till.charge', charge, '{"id":"a"}', same)],
    ['an answer', () => answer(encodeOutput({ state: 'pending' }))],
    ['a failure', () => answer(encodeFailure(new AppError('declined', 'no_credit', 'no')))],
  ])('is a bug when %s does not fit though both have the same contract', (_, work) => {
    try {
      work();
      expect.unreachable();
    } catch (error) {
      expect(isAppError(error)).toBe(false);
      expect(error).toMatchObject({ message: expect.stringContaining('till.charge') });
    }
  });
});
