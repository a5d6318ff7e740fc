import { createHmac } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { signWebhook, verifySignature } from './signature.ts';

const secret = 'whsec_test';
const now = new Date('2026-11-23T10:00:00.000Z');
const seconds = now.getTime() / 1000;
const body = Buffer.from('{"id":"1","text":"grün"}');
const good = signWebhook(body, secret, now);
const v1 = (time: number | string, by = secret, of: Uint8Array = body) =>
  createHmac('sha256', by).update(`${time}.`).update(of).digest('hex');

describe('a genuine signature passes', () => {
  test.each([
    ['as it was made', good],
    ['as the documentation describes it', `t=${seconds},v1=${v1(seconds)}`],
    ['with spaces and unknown parts', ` t=${seconds} , v0=abc, v1=${v1(seconds)} `],
    ['beside one by another secret', `t=${seconds},v1=${v1(seconds, 'older')},v1=${v1(seconds)}`],
    ['300 s old', signWebhook(body, secret, new Date(now.getTime() - 300_000))],
    ['300 s ahead', signWebhook(body, secret, new Date(now.getTime() + 300_000))],
  ])('%s', (_, header) => {
    expect(() => verifySignature(header, body, secret, now)).not.toThrow();
  });
});

describe('anything else is refused', () => {
  test.each([
    ['no header', null],
    ['an empty one', ''],
    ['noise', 'hello'],
    ['no time', `v1=${v1(seconds)}`],
    ['no signature', `t=${seconds}`],
    ['an empty signature', `t=${seconds},v1=`],
    ['another secret', `t=${seconds},v1=${v1(seconds, 'other')}`],
    ['an empty secret', `t=${seconds},v1=${v1(seconds, '')}`],
    ['another body', `t=${seconds},v1=${v1(seconds, secret, Buffer.from('{}'))}`],
    [
      'a body signed without its time',
      `t=${seconds},v1=${createHmac('sha256', secret).update(body).digest('hex')}`,
    ],
    ['another time than the one signed', `t=${seconds + 1},v1=${v1(seconds)}`],
    ['two times', `t=${seconds},t=${seconds - 1},v1=${v1(seconds)}`],
    ['a time that is no number', `t=soon,v1=${v1('soon')}`],
    ['a negative time', `t=-5,v1=${v1(-5)}`],
    ['a time in exponents', `t=1e9,v1=${v1('1e9')}`],
    ['a time with a fraction', `t=${seconds}.5,v1=${v1(`${seconds}.5`)}`],
    ['a signature cut short', `t=${seconds},v1=${v1(seconds).slice(0, 62)}`],
    ['a signature with more behind it', `t=${seconds},v1=${v1(seconds)}00`],
    ['a signature in capitals', `t=${seconds},v1=${v1(seconds).toUpperCase()}`],
    ['the scheme of another version', `t=${seconds},v0=${v1(seconds)}`],
    ['301 s old', signWebhook(body, secret, new Date(now.getTime() - 301_000))],
    ['301 s ahead', signWebhook(body, secret, new Date(now.getTime() + 301_000))],
  ])('%s', (_, header) => {
    expect(() => verifySignature(header, body, secret, now)).toThrow(
      expect.objectContaining({ kind: 'invalid', code: 'invalid_signature' }),
    );
  });

  test('one changed byte of the body', () => {
    for (const index of body.keys()) {
      const changed = Buffer.from(body);
      changed[index] = (changed[index] ?? 0) ^ 1;
      expect(() => verifySignature(good, changed, secret, now)).toThrow('refused');
    }
  });
});
