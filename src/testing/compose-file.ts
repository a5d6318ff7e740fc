import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';

/** A service of docker-compose.yml, as far as tests look. */
export interface ComposeService {
  readonly image: string;
  readonly profiles?: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly entrypoint?: readonly string[];
  readonly command?: readonly string[];
  readonly healthcheck: { readonly test: readonly string[] };
  readonly ports?: readonly string[];
  readonly volumes: readonly string[];
  readonly networks: readonly string[];
  readonly depends_on: Readonly<Record<string, { readonly condition: string }>>;
  readonly restart: string;
  readonly stop_grace_period: string;
  readonly container_name?: string;
}

const basics = ['shop', 'worker', 'postgres', 'redis'] as const;
const observers = ['prometheus', 'grafana', 'jaeger', 'loki', 'alloy'] as const;

/** docker-compose.yml with its anchors resolved. */
export interface ComposeFile {
  readonly services: Readonly<Record<(typeof basics | typeof observers)[number], ComposeService>>;
  readonly volumes: object;
  readonly networks: Readonly<Record<string, { readonly internal?: boolean } | null>>;
}

export function readCompose(): ComposeFile {
  return parse(readFileSync(join(import.meta.dirname, '../../docker-compose.yml'), 'utf8'), { merge: true });
}

/**
 * A service's environment with variables filled in as Compose does it, where `given` are those of the caller. Fails
 * when one is required that they lack.
 */
export function environmentOf(
  service: ComposeService,
  given: Readonly<Record<string, string>>,
): Record<string, string> {
  const fill = (text: string) =>
    text.replaceAll(/\$\{(\w+):([-?+])([^}]*)\}/g, (_, name: string, kind: string, rest: string) => {
      const value = given[name];
      if (kind === '+') return value ? rest : '';
      if (value === undefined && kind === '?') throw new Error(`${name}: ${rest}`);
      return value ?? rest;
    });
  return Object.fromEntries(
    Object.entries(service.environment).map(([name, text]) => [name, fill(String(text))]),
  );
}
