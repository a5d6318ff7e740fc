import { type MetricSpec, tellers } from './telemetry/instruments.ts';

/** docs/metrics.md, from the catalogue. `npm test -- src/metrics.test.ts --update` writes it anew. */
export function renderMetricsPage(metrics: readonly MetricSpec[]): string {
  const rows = metrics.map(({ name, kind, labels, help, toldBy }) => {
    const values = Object.entries(labels).map(([label, meaning]) => `\`${label}\`: ${meaning}`);
    const cells = [`\`${name}\``, kind, values.join('<br>'), help, tellers[toldBy]];
    return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  });
  return `# Metrics

Written by a test from the tables in src/telemetry/catalogue.ts and the modules' \`metrics.ts\`; change it there.

\`GET /metrics\` on the operations port tells them as Prometheus reads them, with Node's own \`nodejs_*\` and
\`process_*\` besides. With WORKERS each series has a label \`worker\` more, the number of the process. Each value of a
label comes from the code, none from a request, so the number of series does not grow with use.

What waits for workers (\`banyan_outbox_*\`, \`banyan_deliveries_parked\`, \`banyan_sagas_open\`,
\`banyan_saga_oldest_seconds\`, \`banyan_queue_jobs\`) is read from the database or Redis at most every five seconds, and
left out while those are away. Every worker of a module tells the same: take \`max by (module)\`, not the sum.

| metric | kind | labels | meaning | told by |
| --- | --- | --- | --- | --- |
${rows.join('\n')}
`;
}
