import type { Config, DatabaseConfig } from '../config.ts';
import type { Address, Shop } from '../shop.ts';
import { version } from '../version.ts';
import { print, terminal } from './terminal.ts';

/** Tells whoever started the shop what runs, and where it answers. */
export function introduce({ config, modules }: Shop, { url, opsUrl, notices }: Address): void {
  const strong = terminal.out.isTTY ? (text: string) => `\u001b[1m${text}\u001b[0m` : (text: string) => text;
  const elsewhere = Object.keys(config.peers).filter((peer) => !modules.some(({ name }) => name === peer));
  const hasHttp = config.roles.includes('http');
  const lines: readonly (readonly [string, string] | undefined)[] = [
    ['modules', modules.map((module) => module.name).join(', ') || 'none: a gateway'],
    elsewhere.length === 0 ? undefined : ['elsewhere', elsewhere.join(', ')],
    config.roles.length === 2 ? undefined : ['role', config.roles.join(', ')],
    config.workers === 1 ? undefined : ['processes', `${config.workers}, sharing the ports`],
    modules.length === 0 ? undefined : ['database', databaseOf(config)],
    hasHttp ? ['shop', strong(url)] : ['health', `${url}/health`],
    hasHttp ? ['docs', `${url}/docs`] : undefined,
    ['operations', `${opsUrl}/health, ${opsUrl}/metrics`],
  ];
  print(strong(`Banyan ${version}`));
  for (const line of lines) if (line !== undefined) print(`  ${line[0].padEnd(11)} ${line[1]}`);
  for (const notice of notices) print(`  ${notice}`);
}

function databaseOf({ database, dataDir }: Config): string {
  return database === undefined ? `embedded, in ${dataDir}` : `Postgres, ${placesOf(database).join(', ')}`;
}

/** Hosts and databases only: a URL may hold a password. */
function placesOf({ url, moduleUrls }: DatabaseConfig): string[] {
  const place = (text: string) => `${new URL(text).host}${new URL(text).pathname}`;
  const own = Object.entries(moduleUrls).map(([module, text]) => `${module} at ${place(text)}`);
  return url === undefined ? own : [`at ${place(url)}`, ...own];
}
