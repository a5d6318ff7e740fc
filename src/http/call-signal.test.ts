import { expect, it } from 'vitest';
import { CallSignal } from './call-signal.ts';

function callOf(client: AbortController) {
  return new CallSignal(new Request('http://shop/', { signal: client.signal }));
}

it('tells whoever asks before the client goes, and the same to all', () => {
  const client = new AbortController();
  const call = callOf(client);
  const { signal } = call;
  expect(call.signal).toBe(signal);
  expect(signal.aborted).toBe(false);
  client.abort();
  expect(signal.aborted).toBe(true);
});

it('tells whoever asks when the client has long gone', () => {
  const client = new AbortController();
  const call = callOf(client);
  client.abort();
  expect(call.signal.aborted).toBe(true);
});

it('is aborted by hand, before or after somebody has asked', () => {
  const before = callOf(new AbortController());
  before.abort();
  expect(before.signal.aborted).toBe(true);
  const after = callOf(new AbortController());
  const { signal } = after;
  after.abort();
  expect(signal.aborted).toBe(true);
});
