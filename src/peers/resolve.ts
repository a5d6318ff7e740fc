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
 * the best priority count. A name that can not be looked up keeps what it stood for `last`; it fails only when
 * nothing at all is known.
 */
export async function resolveOrigins(
  addresses: readonly string[],
  resolver: Resolver,
  last: Map<string, readonly string[]>,
): Promise<ReadonlySet<string>> {
  const answers = await Promise.allSettled(addresses.map((address) => originsOf(address, resolver)));
  answers.forEach((answer, index) => {
    if (answer.status === 'fulfilled') last.set(addresses[index]!, answer.value);
  });
  const origins = new Set([...last.values()].flat());
  if (origins.size > 0) return origins;
  const failure = answers.find(({ status }) => status === 'rejected') as PromiseRejectedResult | undefined;
  throw failure?.reason ?? new Error('no address is known');
}

async function originsOf(address: string, resolver: Resolver): Promise<readonly string[]> {
  const url = new URL(address);
  // Whether calls come as gRPC makes no difference to where they go.
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
