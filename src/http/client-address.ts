import { BlockList, isIP } from 'node:net';

/**
 * Tells who is asking, behind the proxies we trust. `X-Forwarded-For` is read from its right end, where our own
 * proxy writes, and only as far as the writers are trusted: whatever stands left of that is the client's claim.
 * `trusted` are addresses and CIDRs; an invalid one throws, so that the start fails.
 */
export function createClientAddress(
  trusted: readonly string[],
): (peer: string | undefined, forwardedFor: string | null) => string | undefined {
  const proxies = new BlockList();
  for (const entry of trusted) {
    const [address = '', prefix] = entry.split('/');
    const family = familyOf(address);
    if (prefix === undefined) proxies.addAddress(address, family);
    else proxies.addSubnet(address, Number(prefix), family);
  }
  return (peer, forwardedFor) => {
    if (peer === undefined) return undefined;
    if (trusted.length === 0) return plain(peer);
    const hops = (forwardedFor ?? '').split(',').map((hop) => plain(hop.trim()));
    let address = plain(peer);
    while (proxies.check(address, familyOf(address))) {
      const hop = hops.pop();
      if (hop === undefined || isIP(hop) === 0) break;
      address = hop;
    }
    return address;
  };
}

/**
 * What one client is counted by: an IPv4 address, or the first 64 bits of an IPv6 address, since a single
 * customer of a provider is given all addresses below those.
 */
export function clientPrefix(address: string): string {
  if (isIP(address) !== 6) return address;
  const [head = '', tail = ''] = address.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === '' ? [] : tail.split(':');
  const zeros = Array<string>(Math.max(0, 8 - left.length - right.length)).fill('0');
  const groups = [...left, ...zeros, ...right].slice(0, 4);
  return `${groups.map((group) => Number.parseInt(group, 16).toString(16)).join(':')}::/64`;
}

/** An IPv4 address that came over an IPv6 socket (`::ffff:192.0.2.1`), and any zone, taken off. */
function plain(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '');
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIP(address) === 6 ? 'ipv6' : 'ipv4';
}
