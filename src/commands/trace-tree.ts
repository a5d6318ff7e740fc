import type { ReceivedSpan } from '../telemetry/otlp.ts';

/**
 * The spans of one trace as a tree, a line each: when it began after the first, how long it took, what it is, and in
 * which process. A span whose parent has not come stands at the top.
 */
export function drawTrace(spans: readonly ReceivedSpan[]): string[] {
  const known = new Set(spans.map(({ spanId }) => spanId));
  const inOrder = spans.toSorted((one, other) => Number(one.startNs - other.startNs));
  const children = Map.groupBy(inOrder, ({ parentId }) =>
    parentId !== undefined && known.has(parentId) ? parentId : '',
  );
  const beganNs = inOrder[0]?.startNs ?? 0n;

  function draw(span: ReceivedSpan, depth: number): string[] {
    const times = `${ms(span.startNs - beganNs)} ${ms(span.endNs - span.startNs)}`;
    const line = `${times}  ${'  '.repeat(depth)}${span.name}${notesOn(span)}`;
    const below = children.get(span.spanId) ?? [];
    return [line, ...below.flatMap((child) => draw(child, depth + 1))];
  }

  const roots = children.get('') ?? [];
  return [`${'at ms'.padStart(9)} ${'took ms'.padStart(9)}`, ...roots.flatMap((root) => draw(root, 0))];
}

function notesOn({ failed, attributes, links, kind, resource }: ReceivedSpan): string {
  const isEntry = kind === 'server' || kind === 'consumer';
  const notes = [
    failed ? `FAILED ${attributes['error.type'] ?? ''}`.trim() : '',
    links.length > 0 ? `linked to ${links.map(({ spanId }) => spanId).join(', ')}` : '',
    isEntry ? processOf(resource) : '',
  ].filter((note) => note !== '');
  return notes.length > 0 ? `  (${notes.join('; ')})` : '';
}

function processOf(resource: ReceivedSpan['resource']): string {
  const list = (name: string) => {
    const value = resource[name];
    return Array.isArray(value) ? value.join(', ') : '';
  };
  return `${list('banyan.modules') || 'gateway'}: ${list('banyan.roles')}`;
}

function ms(ns: bigint): string {
  return (Number(ns) / 1e6).toFixed(1).padStart(9);
}
