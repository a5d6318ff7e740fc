import { lookup, resolveSrv } from 'node:dns/promises';
import { isIP } from 'node:net';

/** What names stand for, by DNS. */
export interface Resolver {
  /** Every address of a host. */
  addresses(host: string): Promise<readonly string[]>;
  services(name: string): Promise<readonly { name: string; port: number; priority: number }[]>;
}

export const dns: Resolver = {
  async addresses(host) {
    return (await lookup(host, { all: true })).map(({ address }) => address);
  },
  services: resolveSrv,
};

/**
 * The origins that `addresses` (as PEERS has them) stand for now, as `http://10.0.0.7:9090`. Of SRV records those of
 * the best priority count. A name that is not known fails only when no other one is.
 */
export async function resolveOrigins(
  addresses: readonly string[],
  resolver: Resolver,
): Promise<readonly string[]> {
  const found = await Promise.allSettled(addresses.map((address) => originsOf(address, resolver)));
  const origins = found.flatMap((each) => (each.status === 'fulfilled' ? each.value : []));
  if (origins.length > 0) return [...new Set(origins)];
  const failure = found.find((each) => each.status === 'rejected');
  throw failure?.reason ?? new Error('no address is known');
}

async function originsOf(address: string, resolver: Resolver): Promise<readonly string[]> {
  const url = new URL(address);
  if (url.protocol !== 'srv:') return await originsAt(url.hostname, Number(url.port || '80'), resolver);
  const services = await resolver.services(address.slice('srv://'.length));
  const best = Math.min(...services.map(({ priority }) => priority));
  const chosen = services.filter(({ priority }) => priority === best);
  const origins = await Promise.all(chosen.map(({ name, port }) => originsAt(name, port, resolver)));
  return origins.flat();
}

async function originsAt(hostname: string, port: number, resolver: Resolver): Promise<readonly string[]> {
  const host = hostname.replace(/^\[|\]$/g, '');
  const hosts = isIP(host) === 0 ? await resolver.addresses(host) : [host];
  return hosts.map((each) => `http://${isIP(each) === 6 ? `[${each}]` : each}:${port}`);
}
