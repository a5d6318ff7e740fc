/** One line of a Prometheus text. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

// Values of labels may hold braces, as the paths of routes do, so the labels go up to the last one.
const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/;
const LABEL = /(\w+)="((?:\\.|[^"\\])*)"/g;

/** The samples of a Prometheus text; what is no sample is passed over. */
export function readMetrics(text: string): Sample[] {
  return text.split('\n').flatMap((line) => {
    const [, name, labels = '', value] = LINE.exec(line) ?? [];
    if (name === undefined) return [];
    const pairs = [...labels.matchAll(LABEL)].map(([, label, raw]) => [label!, plainText(raw!)]);
    return { name, labels: Object.fromEntries(pairs), value: Number(value) };
  });
}

function plainText(raw: string): string {
  return raw.replaceAll(/\\(.)/g, (_, character: string) => (character === 'n' ? '\n' : character));
}
