import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { allMetrics } from './compose.ts';
import { sleep } from './deadline.ts';
import { readPromql } from './testing/promql.ts';
import {
  hasPrometheus,
  type PrometheusServer,
  startPrometheus,
} from './testing/servers/prometheus-server.ts';
import { smallCatalogue, smallTrade } from './testing/small-trade.ts';
import { runBanyan } from './testing/spawn-banyan.ts';
import { type RunningPlacement, spawnUp } from './testing/spawn-up.ts';
import { createTestDatabase, type TestDatabase, testRedis } from './testing/test-database.ts';

const deploy = join(import.meta.dirname, '../deploy');
const prometheusFolder = join(deploy, 'prometheus');
const rulesFolder = join(prometheusFolder, 'rules');
const dashboardsFolder = join(deploy, 'grafana/dashboards');

interface Panel {
  readonly title: string;
  readonly datasource: { readonly uid: string };
  readonly targets: readonly { readonly expr: string }[];
}
interface Dashboard {
  readonly title: string;
  readonly templating: { readonly list: readonly { name: string; definition: string }[] };
  readonly panels: readonly Panel[];
}

const dashboards: Dashboard[] = readdirSync(dashboardsFolder).map((name) =>
  JSON.parse(readFileSync(join(dashboardsFolder, name), 'utf8')),
);
/** Every expression that Prometheus is asked, and where it stands. */
const panelQueries = dashboards.flatMap(({ title, panels }) =>
  panels
    .filter(({ datasource }) => datasource.uid === 'prometheus')
    .flatMap((panel) => panel.targets.map(({ expr }) => ({ expr, where: `${title} / ${panel.title}` }))),
);
const variableQueries = dashboards.flatMap(({ title, templating }) =>
  templating.list.map(({ name, definition }) => {
    const [, expr = ''] = definition.match(/^label_values\((.*), \w+\)$/) ?? [];
    return { expr, where: `${title} / variable ${name}` };
  }),
);
const ruleQueries = readdirSync(rulesFolder).flatMap((file) =>
  parse(readFileSync(join(rulesFolder, file), 'utf8')).groups.flatMap(
    ({ rules }: { rules: { alert?: string; record?: string; expr: string }[] }) =>
      rules.map(({ alert, record, expr }) => ({ expr, where: `${file} / ${alert ?? record}` })),
  ),
) as { expr: string; where: string }[];

/** As Grafana fills in variables, with all values chosen. */
function filledIn(expr: string): string {
  return expr.replaceAll('$__rate_interval', '1m').replaceAll(/\$(module|process)\b/g, '.*');
}

/** What is no label of the program's own: discovery adds the first three, WORKERS the last. */
const ADDED_LABELS = ['job', 'instance', 'process', 'worker'];
/** These go by the machine and not by the shop. */
const MACHINE_ALERTS = 'BanyanLatency.*|BanyanEventLoopBlocked|BanyanMemoryHigh|BanyanDisk.*';
const ADMIN = { ADMIN_EMAIL: 'admin@example.com', ADMIN_PASSWORD: 'correct horse battery' };
/** For a shop that trades all the while; a slow machine takes its time to start a round. */
const DATA_MS = 90_000;

// npm brings no Prometheus: a bare machine runs all other tests, and says that it left these out. CI installs one.
describe.skipIf(!(await hasPrometheus()))('a Prometheus that scrapes a split shop', () => {
  let dataDir: string;
  let database: TestDatabase;
  let shop: RunningPlacement;
  let prometheus: PrometheusServer;

  beforeAll(async () => {
    dataDir = mkdtempSync(join(tmpdir(), 'banyan-dashboards-'));
    database = await createTestDatabase();
    // Few processes, with every kind of edge: calls at home and to peers, and requests that are passed on.
    shop = await spawnUp('order-payment', dataDir, {
      ...ADMIN,
      DATABASE_URL: database.url,
      REDIS_URL: testRedis().url,
      SERVICE_SECRET: `the secret of ${database.name}, which nobody else has`,
      RATE_LIMIT: 'off',
    });
    // As the file says, but for paths, and quicker.
    const { global, scrape_configs, ...rest } = parse(readFileSync(join(prometheusFolder, 'up.yml'), 'utf8'));
    prometheus = await startPrometheus({
      ...rest,
      global: { ...global, scrape_interval: '2s', scrape_timeout: '2s', evaluation_interval: '1s' },
      rule_files: [join(rulesFolder, '*.yml')],
      scrape_configs: [
        { ...scrape_configs[0], file_sd_configs: [{ files: [join(dataDir, 'up-targets.json')] }] },
      ],
    });
    writeFileSync(join(dataDir, 'catalogue.csv'), smallCatalogue);
    await succeed(['import', join(dataDir, 'catalogue.csv'), '--url', shop.file().url], ADMIN);
  }, 180_000);

  afterAll(async () => {
    await prometheus?.stop();
    await shop?.end('SIGTERM');
    await database?.drop();
    rmSync(dataDir, { recursive: true, force: true });
  });

  it('has data for every panel and every variable', { timeout: DATA_MS + 30_000 }, async () => {
    const pending = new Map([...panelQueries, ...variableQueries].map(({ expr, where }) => [where, expr]));
    expect(pending.size).toBeGreaterThan(50);
    const endsAt = performance.now() + DATA_MS;
    // A rate needs a count that has risen between two scrapes, so the shop trades until all are seen.
    for (let round = 1; pending.size > 0 && performance.now() < endsAt; round += 1) {
      await trade(shop.file().url, round);
      for (const [where, expr] of pending) {
        const result = await prometheus.query(filledIn(expr));
        if (result.some(({ value }) => Number.isFinite(Number(value[1])))) pending.delete(where);
      }
    }
    expect(Object.fromEntries(pending)).toEqual({});
  });

  it('gets every metric and label that panels, rules and alerts ask for', async () => {
    const recorded = new Set(ruleQueries.map(({ where }) => where.split(' / ')[1]));
    const told = await namesToldBy(shop);
    // This shop has no certificate.
    for (const { name, toldBy } of allMetrics) if (toldBy === 'tls') told.add(name);
    const catalogue = new Map(allMetrics.map(({ name, labels }) => [name, Object.keys(labels)]));
    const labelsOf = async (metric: string) => {
      const seen = (await prometheus.series(metric)).flatMap((labels) => Object.keys(labels));
      return [...seen, ...(catalogue.get(metric.replace(/_(?:bucket|count|sum)$/, '')) ?? [])];
    };
    const wrong: string[] = [];
    for (const { expr, where } of [...panelQueries, ...variableQueries, ...ruleQueries]) {
      const use = readPromql(filledIn(expr));
      for (const metric of use.metrics) {
        if (!told.has(metric) && !recorded.has(metric) && metric !== 'up') wrong.push(`${where}: ${metric}`);
      }
      const known = new Set([...ADDED_LABELS, ...(await Promise.all(use.metrics.map(labelsOf))).flat()]);
      for (const label of use.labels) if (!known.has(label)) wrong.push(`${where}: label ${label}`);
    }
    expect(wrong).toEqual([]);
  });

  it('sees no alert coming in a shop that is well', async () => {
    // A busy machine may answer a scrape too late now and then; what is really wrong stays.
    const coming = async () =>
      (await prometheus.query(`ALERTS{alertname!~"${MACHINE_ALERTS}"}`)).map(
        ({ metric }) => metric.alertname,
      );
    await expect.poll(coming, { timeout: 30_000, interval: 500 }).toEqual([]);
  });

  /** Places orders that nobody placed before, and reads what it bought. */
  async function trade(url: string, round: number): Promise<void> {
    const orders = smallTrade(6).map((order) => ({ ...order, invoice: `${round}-${order.invoice}` }));
    const file = join(dataDir, 'orders.ndjson');
    writeFileSync(file, orders.map((order) => `${JSON.stringify(order)}\n`).join(''));
    await succeed(['replay', file, '--url', url]);
    const { data } = (await (await fetch(`${url}/api/v1/products`)).json()) as { data: { id: string }[] };
    for (const { id } of [...data, ...data]) await fetch(`${url}/api/v1/products/${id}`);
    await sleep(500);
  }
});

async function succeed(args: readonly string[], env: Record<string, string> = {}): Promise<void> {
  const { code, out, err } = await runBanyan(args, env);
  expect(code, `${out}${err}`).toBe(0);
}

/** The names of all series that the processes may tell, whether or not one has happened yet. */
async function namesToldBy(shop: RunningPlacement): Promise<Set<string>> {
  const names = new Set<string>();
  for (const { opsUrl } of Object.values(shop.file().processes)) {
    const text = await (await fetch(`${opsUrl}/metrics`)).text();
    for (const [, name, kind] of text.matchAll(/^# TYPE (\S+) (\w+)$/gm)) {
      if (kind === 'histogram') for (const part of ['bucket', 'count', 'sum']) names.add(`${name}_${part}`);
      else names.add(name!);
    }
  }
  return names;
}
