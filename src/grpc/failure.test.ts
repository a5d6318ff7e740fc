import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Code, ConnectError } from '@connectrpc/connect';
import { expect, it } from 'vitest';
import { AppError, type ErrorKind, errorStatus } from '../errors.ts';
import { failureOfStatus, grpcCode, TRAILER_EXTRA_BYTES, toStatus } from './failure.ts';

const kinds = Object.keys(errorStatus) as ErrorKind[];
const docs = readFileSync(join(import.meta.dirname, '../../docs/grpc.md'), 'utf8');

it.each(kinds)('the documentation tells the status of the kind %s', (kind) => {
  const row = docs
    .split('\n')
    .find((line) => line.startsWith('| `') && line.split(' | ')[0]!.includes(`\`${kind}\``));
  const name = Code[grpcCode[kind]]!.replace(/(?<=.)[A-Z]/g, '_$&').toUpperCase();
  expect(row).toContain(`\`${name}\``);
});

it.each(kinds)('a failure of the kind %s comes back as it was', (kind) => {
  const extra = { items: [{ sku: 'a', requested: 2 }], none: null };
  const error = new AppError(kind, 'it_failed', 'it failed', { extra, retryAfterSeconds: 3 });
  expect(failureOfStatus(toStatus(error, { inTrailer: true }))).toEqual({
    kind,
    code: 'it_failed',
    message: 'it failed',
    extra,
    extraLeftOut: false,
    retryAfterSeconds: 3,
  });
});

it('leaves out what a trailer has no room for, and says so', () => {
  const error = new AppError('conflict', 'it_failed', 'it failed', {
    extra: { a: 'x'.repeat(TRAILER_EXTRA_BYTES) },
  });
  expect(failureOfStatus(toStatus(error, { inTrailer: true }))).toMatchObject({
    extra: {},
    extraLeftOut: true,
  });
  expect(failureOfStatus(toStatus(error, { inTrailer: false }))).toMatchObject({ extraLeftOut: false });
});

it('tells nothing of a bug', () => {
  const status = toStatus(new TypeError('a secret thing'), { inTrailer: true });
  expect(status.code).toBe(Code.Internal);
  expect(JSON.stringify(status)).not.toContain('secret');
  expect(failureOfStatus(status)).toBeUndefined();
});

it.each([
  [Code.DeadlineExceeded, 'timeout'],
  [Code.Unavailable, 'peer_unavailable'],
])('takes status %s of whatever stands in between for an unknown outcome', (code, name) => {
  expect(failureOfStatus(new ConnectError('', code))).toMatchObject({ kind: 'unavailable', code: name });
});
