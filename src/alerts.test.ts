import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { allModules } from './compose.ts';
import type { Routes } from './http/route.ts';
import { fullPath } from './http/route-path.ts';
import { hasPromtool, promtool } from './testing/promtool.ts';

const folder = join(import.meta.dirname, '../deploy/prometheus');
const read = (path: string) => readFileSync(join(folder, path), 'utf8');
const filesIn = (path: string) => readdirSync(join(folder, path)).map((name) => `${path}/${name}`);

interface Rule {
  readonly alert?: string;
  readonly record?: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}
interface ExpectedSamples {
  readonly expr: string;
  readonly exp_samples: readonly { readonly labels: string }[];
}

const rules: Rule[] = filesIn('rules').flatMap((file) =>
  parse(read(file)).groups.flatMap((group: { rules: Rule[] }) => group.rules),
);
const alerts = rules.filter((rule) => rule.alert !== undefined);
const cases: ExpectedSamples[] = filesIn('tests').flatMap((file) =>
  parse(read(file)).tests.flatMap((test: { promql_expr_test: ExpectedSamples[] }) => test.promql_expr_test),
);

/** What tests say of an alert: the label sets that it fires with, and how often that it does not. */
function casesOf(alert: string) {
  const named = cases.filter(({ expr }) => {
    const [, operator, name] = expr.match(/^ALERTS\{alertname(=~?)"([^"]+)"/) ?? [];
    return operator === '=~' ? new RegExp(`^(?:${name})$`).test(alert) : name === alert;
  });
  return {
    fires: named.flatMap(({ exp_samples }) => exp_samples.map(({ labels }) => labels)),
    quiet: named.filter(({ exp_samples }) => exp_samples.length === 0).length,
  };
}

describe('an alert', () => {
  it('is made to fire, and to stay quiet, by a test', () => {
    expect(alerts.length).toBeGreaterThan(20);
    const untested = alerts.filter(({ alert }) => {
      const { fires, quiet } = casesOf(alert!);
      return fires.length === 0 || quiet === 0;
    });
    expect(untested.map(({ alert }) => alert)).toEqual([]);
  });

  it('says how urgent it is, what is wrong, and where to read what to do', () => {
    for (const { alert, labels, annotations, for: lasting } of alerts) {
      expect(lasting, alert).toMatch(/^\d+[mh]$/);
      expect(labels?.severity, alert).toMatch(/^(critical|warning|info)$/);
      expect(annotations, alert).toEqual({
        summary: expect.any(String),
        description: expect.stringMatching(/\.$/),
        runbook_url: `docs/operations.md#${alert!.toLowerCase()}`,
      });
    }
  });

  it('has a section in docs/operations.md, and none is left of one that is gone', () => {
    const runbook = readFileSync(join(folder, '../../docs/operations.md'), 'utf8');
    const sections = [...runbook.matchAll(/^### (Banyan\w+)$/gm)].map(([, name]) => name);
    expect(sections.sort()).toEqual(alerts.map(({ alert }) => alert).sort());
  });

  it('names only labels that it has', () => {
    for (const { alert, annotations } of alerts) {
      const { fires } = casesOf(alert!);
      const used = Object.values(annotations ?? {}).flatMap((text) =>
        [...text.matchAll(/\$labels\.(\w+)/g)].map(([, label]) => label!),
      );
      const lacking = used.filter((label) => !fires.some((labels) => labels.includes(`${label}="`)));
      expect(lacking, alert).toEqual([]);
    }
  });
});

describe('requests by module', () => {
  it('are counted for the module that serves them, by class', () => {
    const rule = rules.find(({ record }) => record === 'route:http_request_duration_seconds_bucket:rate5m');
    const marks = [...rule!.expr.matchAll(/"(class|module)", "(\w+)", "\w+", "([^"]+)"/g)];
    const labelsOf = (method: string, route: string) => {
      const labels: Record<string, string> = {};
      for (const [, label, value, pattern] of marks) {
        const subject = label === 'class' ? `${method} ${route}` : route;
        if (new RegExp(`^(?:${pattern})$`).test(subject)) labels[label!] = value!;
      }
      return labels;
    };
    const wrong = allModules.flatMap(({ contract, routes }) =>
      Object.values(routes as Routes).flatMap((spec) => {
        const { module } = labelsOf(spec.method.toUpperCase(), fullPath(spec));
        return module === contract.module ? [] : [`${fullPath(spec)}: ${module}`];
      }),
    );
    expect(wrong).toEqual([]);
    expect(labelsOf('GET', '/health')).toEqual({ module: 'none', class: 'read' });
    expect(labelsOf('POST', '/api/v1/orders')).toEqual({ module: 'order', class: 'order' });
    expect(labelsOf('POST', '/api/v1/orders/{id}/cancel')).toEqual({ module: 'order', class: 'write' });
  });
});

// npm brings no Prometheus: a bare machine runs the tests above, and says that it left these out. CI installs one.
describe.skipIf(!(await hasPromtool()))('promtool', () => {
  it('takes the configuration of each place, with all rules', async () => {
    for (const file of ['prometheus.yml', 'up.yml']) {
      expect(await promtool(['check', 'config', file], folder)).toContain('is valid prometheus config');
    }
    // Debian's Prometheus is built without Kubernetes' discovery; the rest of that file is as good as any.
    const kubernetes = parse(read('kubernetes.yml'));
    const [job] = kubernetes.scrape_configs;
    expect(job.kubernetes_sd_configs).toEqual([{ role: 'pod' }]);
    const made = mkdtempSync(join(tmpdir(), 'banyan-prometheus-'));
    try {
      const { kubernetes_sd_configs: _, ...rest } = job;
      const content = { scrape_configs: [{ ...rest, static_configs: [{ targets: ['a:9090'] }] }] };
      writeFileSync(join(made, 'kubernetes.yml'), JSON.stringify(content));
      expect(await promtool(['check', 'config', 'kubernetes.yml'], made)).toContain('is valid');
    } finally {
      rmSync(made, { recursive: true });
    }
  });

  it('sees every alert fire and stay quiet as its tests say', { timeout: 150_000 }, async () => {
    const files = filesIn('tests');
    const printed = await promtool(['test', 'rules', ...files], folder);
    expect(printed.match(/SUCCESS/g)).toHaveLength(files.length);
  });
});
