import { describe, expect, it } from 'vitest';
import { clientPrefix, createClientAddress } from './client-address.ts';

describe('the client address', () => {
  const behind = createClientAddress(['10.0.0.0/8', '2001:db8::1']);

  it.each([
    ['the peer without proxies', '203.0.113.7', null, '203.0.113.7'],
    ['the peer when it is no proxy, whatever it forwards', '203.0.113.7', '198.51.100.1', '203.0.113.7'],
    ['what a trusted proxy wrote', '10.0.0.1', '198.51.100.1', '198.51.100.1'],
    [
      'the rightmost hop that is no proxy, not what the client put in front',
      '10.0.0.1',
      '1.1.1.1, 198.51.100.1, 10.9.9.9',
      '198.51.100.1',
    ],
    ['the proxy itself when it forwarded nothing', '10.0.0.1', null, '10.0.0.1'],
    ['the last known hop when the next is no address', '10.0.0.1', 'evil, 10.0.0.2', '10.0.0.2'],
    ['an IPv4 address on an IPv6 socket', '::ffff:10.0.0.1', '::ffff:198.51.100.1', '198.51.100.1'],
    ['what an IPv6 proxy wrote', '2001:db8::1', '2001:db8::7', '2001:db8::7'],
  ])('is %s', (_name, peer, forwarded, expected) => {
    expect(behind(peer, forwarded)).toBe(expected);
  });

  it('believes nobody by default', () => {
    expect(createClientAddress([])('127.0.0.1', '1.1.1.1')).toBe('127.0.0.1');
  });

  it('refuses a proxy that is no address', () => {
    expect(() => createClientAddress(['proxy.example'])).toThrow();
    expect(() => createClientAddress(['10.0.0.0/40'])).toThrow();
  });

  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:0db8::1', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::', 'fe80:0:0:0::/64'],
  ])('counts %s as %s', (address, prefix) => {
    expect(clientPrefix(address)).toBe(prefix);
  });
});
