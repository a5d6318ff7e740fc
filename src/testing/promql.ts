/** What a PromQL expression asks for: its metrics, and the labels that it takes them to have. */
export interface PromqlUse {
  readonly metrics: readonly string[];
  /** Of matchers and groupings, less those that the expression itself adds by label_replace or label_join. */
  readonly labels: readonly string[];
}

const STRING = /"(?:\\.|[^"\\])*"/g;
const NAME = '[a-zA-Z_:][\\w:]*';
const GROUPING = /\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)/g;
const SELECTOR = new RegExp(`(${NAME})\\s*\\{([^}]*)\\}`, 'g');
// No function, and no letter of a number.
const BARE = new RegExp(`(?<![\\w:.])(${NAME})(?![\\w:]|\\s*\\()`, 'g');
const KEYWORDS = new Set(['and', 'or', 'unless', 'bool', 'offset']);

/** Reads an expression as far as ours go; `label_replace`'s own strings count as labels that it adds. */
export function readPromql(expression: string): PromqlUse {
  const added = new Set<string>();
  if (/\blabel_(?:replace|join)\b/.test(expression)) {
    for (const [text] of expression.matchAll(STRING)) added.add(text.slice(1, -1));
  }
  const metrics = new Set<string>();
  const labels = new Set<string>();
  let rest = expression.replaceAll(STRING, '""').replaceAll(/\[[^\]]*\]/g, '');
  rest = rest.replaceAll(GROUPING, (_, names: string) => {
    for (const name of names.split(',')) if (name.trim() !== '') labels.add(name.trim());
    return '';
  });
  rest = rest.replaceAll(SELECTOR, (_, metric: string, matchers: string) => {
    metrics.add(metric);
    for (const [, label] of matchers.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)) labels.add(label!);
    return '0';
  });
  for (const [, name] of rest.matchAll(BARE)) if (!KEYWORDS.has(name!)) metrics.add(name!);
  return { metrics: [...metrics], labels: [...labels].filter((label) => !added.has(label)) };
}
