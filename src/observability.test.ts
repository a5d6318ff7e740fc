import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { loadConfig } from './config.ts';
import { runInContext } from './context.ts';
import { createLogger } from './telemetry/log.ts';
import { newTrace } from './telemetry/trace-context.ts';
import { environmentOf, readCompose } from './testing/compose-file.ts';

const root = join(import.meta.dirname, '..');
const read = (path: string) => readFileSync(join(root, path), 'utf8');

const { services, volumes } = readCompose();
const { shop, worker, prometheus, grafana, jaeger, loki, alloy } = services;
const observers = { prometheus, grafana, jaeger, loki, alloy };
const given = { POSTGRES_PASSWORD: 'secret1', ADMIN_EMAIL: 'a@example.com', ADMIN_PASSWORD: 'a long one' };

interface Source {
  readonly uid: string;
  readonly url: string;
  readonly jsonData: {
    readonly derivedFields?: readonly { readonly matcherRegex: string; readonly datasourceUid: string }[];
    readonly tracesToLogsV2?: { readonly datasourceUid: string; readonly query: string };
  };
}
const sources: Source[] = parse(read('deploy/grafana/provisioning/datasources/datasources.yml')).datasources;

describe('the Compose profile observability', () => {
  it('is all that starts any of it, and the shop needs none of it', () => {
    for (const { profiles } of Object.values(observers)) expect(profiles).toEqual(['observability']);
    const others = Object.keys(observers);
    for (const service of [shop, worker, services.postgres, services.redis]) {
      expect(service.profiles).toBeUndefined();
      expect(Object.keys(service.depends_on ?? {}).filter((name) => others.includes(name))).toEqual([]);
    }
    for (const service of Object.values(services)) {
      if (service.environment) expect(() => environmentOf(service, given)).not.toThrow();
    }
  });

  it('makes the shop record traces, and without it none are', () => {
    for (const service of [shop, worker]) {
      expect(loadConfig({ env: environmentOf(service, given) }).traces).toBeUndefined();
      const env = environmentOf(service, { ...given, COMPOSE_PROFILES: 'observability' });
      expect(env.OTEL_EXPORTER_OTLP_ENDPOINT).toBe('http://jaeger:4318');
      expect(loadConfig({ env }).traces).toBeDefined();
      expect(service.networks.some((name) => jaeger.networks.includes(name))).toBe(true);
    }
  });

  it('names every image exactly', () => {
    for (const { image } of Object.values(observers)) expect(image).toMatch(/^[\w./-]+:v?\d+\.\d+\.\d+$/);
  });

  it('publishes ports to this machine alone, and the container with the socket of Docker none', () => {
    for (const { ports } of Object.values(observers)) {
      for (const port of ports ?? []) expect(port).toMatch(/^127\.0\.0\.1:\$\{\w+_PORT:-\d+\}:\d+$/);
    }
    const withSocket = Object.values(services).filter(({ volumes }) =>
      volumes?.some((volume) => volume.includes('docker.sock')),
    );
    expect(withSocket).toEqual([alloy]);
    expect(alloy.ports).toBeUndefined();
    expect(alloy.networks).toEqual(['observability']);
  });

  it('mounts what is in the repository and cannot be written, and keeps data on volumes', () => {
    for (const service of Object.values(observers)) {
      for (const volume of service.volumes ?? []) {
        const [from, , mode] = volume.split(':');
        if (from!.startsWith('.')) expect(existsSync(join(root, from!)), volume).toBe(true);
        if (/^[./]/.test(from!)) expect(mode, volume).toBe('ro');
        else expect(Object.keys(volumes)).toContain(from);
      }
    }
  });

  it('has no Grafana without a password of its owner', async () => {
    expect(environmentOf(grafana, given).GF_SECURITY_ADMIN_PASSWORD).toBe('');
    const [command, ...args] = grafana.entrypoint!.map((text) => text.replaceAll('$$', '$'));
    const start = (password: string) =>
      new Promise<{ code: unknown; err: string }>((resolve) => {
        const env = { PATH: process.env.PATH, GF_SECURITY_ADMIN_PASSWORD: password };
        execFile(command!, args, { env }, (error, _, err) => resolve({ code: error?.code, err }));
      });
    expect(await start('')).toEqual({ code: 1, err: 'set GRAFANA_PASSWORD in .env\n' });
    // It gets as far as the program, which only the image has.
    expect((await start('secret')).err).toContain('/run.sh');
  });
});

describe('Prometheus', () => {
  it('looks for every service that runs the shop, at its operations port', () => {
    const config = parse(read('deploy/prometheus/prometheus.yml'));
    const [job] = config.scrape_configs;
    const [discovery] = job.dns_sd_configs;
    expect(job.job_name).toBe('banyan');
    const ours = Object.entries(services).filter(([, { image }]) => image === shop.image);
    expect(discovery.names).toEqual(ours.map(([name]) => name));
    for (const [, service] of ours) {
      const { opsPort } = loadConfig({ env: environmentOf(service, given) });
      expect(discovery.port).toBe(opsPort);
      expect(service.networks.some((name) => prometheus.networks.includes(name))).toBe(true);
    }
  });

  it('keeps those pods on Kubernetes which are rendered, by the port that they have', () => {
    const [job] = parse(read('deploy/prometheus/kubernetes.yml')).scrape_configs;
    const [keep] = job.relabel_configs;
    const folder = join(root, 'deploy/kubernetes/base/split');
    const deployments = readdirSync(folder)
      .flatMap((file) => parseAllDocuments(readFileSync(join(folder, file), 'utf8')))
      .map((document) => document.toJS())
      .filter((object) => object?.kind === 'Deployment');
    expect(deployments.length).toBeGreaterThan(10);
    for (const { metadata, spec } of deployments) {
      const { metadata: pod, spec: podSpec } = spec.template;
      expect(pod.labels['app.kubernetes.io/component']).toBe(metadata.name);
      const ports: { name: string }[] = podSpec.containers.flatMap(
        (container: { ports: object[] }) => container.ports,
      );
      const kept = ports.filter(({ name }) =>
        new RegExp(`^(?:${keep.regex})$`).test(`${pod.labels['app.kubernetes.io/name']};${name}`),
      );
      expect(kept, metadata.name).toHaveLength(1);
    }
  });
});

describe('Grafana', () => {
  const files = readdirSync(join(root, 'deploy/grafana/dashboards'));
  const dashboards = files.map((file) => JSON.parse(read(`deploy/grafana/dashboards/${file}`)));

  it('asks services that there are', () => {
    const ports = { prometheus: '9090', loki: '3100', jaeger: '16686' };
    expect(Object.fromEntries(sources.map(({ uid, url }) => [uid, url]))).toEqual(
      Object.fromEntries(Object.entries(ports).map(([name, port]) => [name, `http://${name}:${port}`])),
    );
    for (const name of Object.keys(ports) as (keyof typeof ports)[]) {
      expect(observers[name].networks).toContain('observability');
    }
    expect(grafana.networks).toEqual(['observability']);
  });

  it('has dashboards that it tells apart, of panels that lie beside each other', () => {
    expect(new Set(dashboards.map(({ uid }) => uid)).size).toBe(files.length);
    for (const { title, panels } of dashboards) {
      const taken = new Set<string>();
      for (const { gridPos, datasource } of panels) {
        expect(sources.map(({ uid }) => uid)).toContain(datasource.uid);
        for (let x = gridPos.x; x < gridPos.x + gridPos.w; x += 1) {
          const cell = `${x} ${gridPos.y}`;
          expect(taken.has(cell), title).toBe(false);
          taken.add(cell);
        }
        expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
      }
    }
  });

  it('gets from a line of the log to its trace, and from a trace to its lines', () => {
    const lines: string[] = [];
    const destination = { write: (text: string) => void lines.push(text) };
    const log = createLogger({ level: 'info', destination });
    const trace = newTrace();
    runInContext({ requestId: 'r', ...trace, deadlineAt: 0 }, () => log.warn('something'));
    const [line = ''] = lines;

    const [field] = sources.find(({ uid }) => uid === 'loki')!.jsonData.derivedFields!;
    expect(line.match(field!.matcherRegex)?.[1]).toBe(trace.traceId);
    expect(field!.datasourceUid).toBe('jaeger');

    const { query, datasourceUid } = sources.find(({ uid }) => uid === 'jaeger')!.jsonData.tracesToLogsV2!;
    expect(datasourceUid).toBe('loki');
    const collector = read('deploy/observability/config.alloy');
    // What the query asks for is what the collector takes from such a line.
    expect(query).toBe('{process=~".+"} | trace_id = `$${__trace.traceId}`');
    expect(collector).toMatch(/stage\.structured_metadata \{\s+values = \{ trace_id = "" \}/);
    const members = [...collector.matchAll(/^ {6}\w+ += "(\w+)",$/gm)].map(([, member]) => member);
    expect(members).toEqual(['level', 'time', 'traceId']);
    expect(Object.keys(JSON.parse(line))).toEqual(expect.arrayContaining(members));
  });
});

describe('the collector of logs', () => {
  const source = read('deploy/observability/config.alloy');

  it('passes lines along components that there are', () => {
    const declared = [...source.matchAll(/^([\w.]+) "(\w+)" \{$/gm)].map(
      ([, kind, name]) => `${kind}.${name}`,
    );
    const used = [...source.matchAll(/\b([a-z]+(?:\.[a-z]+)+)\.(?:targets|output|receiver)\b/g)].map(
      ([, component]) => component,
    );
    expect(declared).toHaveLength(5);
    expect([...new Set(used)].sort()).toEqual(
      declared.filter((name) => name !== 'loki.source.docker.containers').sort(),
    );
    expect(source.match(/\{/g)).toHaveLength(source.match(/\}/g)!.length);
  });

  it('sends them to Loki, which keeps them where its volume is', () => {
    expect(source).toContain('url = "http://loki:3100/loki/api/v1/push"');
    const config = parse(read('deploy/observability/loki.yml'));
    expect(config.server.http_listen_port).toBe(3100);
    expect(loki.volumes).toContain(`loki:${config.common.path_prefix}`);
    expect(Object.keys(alloy.environment)).toEqual(source.match(/(?<=sys\.env\(")\w+/g));
  });
});
