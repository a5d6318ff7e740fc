import { expect, it } from 'vitest';
import { failureOfRequest } from './transport-failure.ts';

it.each([
  ['a connection that was refused', { code: 'ECONNREFUSED', syscall: 'connect' }, false],
  ['one that took too long', { code: 'UND_ERR_CONNECT_TIMEOUT' }, false],
  ['a route that was lost before', { code: 'EHOSTUNREACH', syscall: 'connect' }, false],
  ['a route that was lost under a request', { code: 'EHOSTUNREACH', syscall: 'read' }, true],
  ['a connection that was reset', { code: 'ECONNRESET', syscall: 'read' }, true],
  ['whatever is not known', {}, true],
])('knows of %s whether the request may have been sent', (_, members, sent) => {
  expect(failureOfRequest(Object.assign(new Error('lost'), members)).sent).toBe(sent);
});
