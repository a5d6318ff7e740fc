import { expect, test } from 'vitest';
import { AppError } from '../errors.ts';
import { endsSession, postgresFailure } from './postgres-errors.ts';

const fromServer = (code: string, severity = 'ERROR', more = {}) =>
  Object.assign(new Error('from the server'), { code, severity, ...more });

test.each([
  ['08006', 'a connection failure'],
  ['53100', 'a full disk'],
  ['53200', 'no memory'],
  ['57014', 'a statement that took too long'],
  ['58030', 'a failing disk'],
  ['55P03', 'a lock that did not come'],
  ['40P01', 'a deadlock'],
  ['40001', 'a conflict'],
  ['25006', 'a server that became a standby'],
  ['ECONNRESET', 'a reset connection'],
  ['ERR_SSL_DECRYPTION_FAILED_OR_BAD_RECORD_MAC', 'a broken TLS record'],
])('%s, %s, may pass', (code) => {
  const error = fromServer(code);
  expect(postgresFailure(error)).toMatchObject({
    kind: 'unavailable',
    code: 'database_unavailable',
    cause: error,
  });
});

test.each([
  ['23505', 'a value that is there already'],
  ['23514', 'a broken CHECK'],
  ['42501', 'a missing right'],
  ['42P01', 'a missing table'],
  ['25P02', 'a failed transaction'],
  ['22012', 'a division by zero'],
  ['26000', 'a missing prepared statement'],
  ['0A000', 'what Postgres cannot do'],
  ['ERR_INVALID_ARG_TYPE', 'a bug of ours'],
])('%s, %s, stays as it is', (code) => {
  const error = fromServer(code);
  expect(postgresFailure(error)).toBe(error);
  expect(endsSession(error)).toBe(false);
});

test('what has no code, or is ours already, stays as it is', () => {
  for (const error of [new Error('a bug'), undefined, new AppError('conflict', 'no_stock', 'none')]) {
    expect(postgresFailure(error)).toBe(error);
    expect(endsSession(error)).toBe(false);
  }
});

test('a fatal error ends the session and may pass, whatever its code', () => {
  const errors = [
    fromServer('3D000', 'FATAL'),
    fromServer('XX000', 'PANIC'),
    fromServer('3D000', undefined, { severity: undefined, severity_local: 'FATAL' }),
  ];
  for (const error of errors) {
    expect(endsSession(error)).toBe(true);
    expect(postgresFailure(error)).toMatchObject({ code: 'database_unavailable' });
  }
});

test('a session is kept after an error that only its statement had', () => {
  for (const code of ['57014', '40P01', '55P03', '53100']) expect(endsSession(fromServer(code))).toBe(false);
  for (const code of ['08P01', '25006', 'EPIPE']) expect(endsSession(fromServer(code))).toBe(true);
});
