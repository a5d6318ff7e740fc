/** Right above a statement: says why no process of the release before needs what it takes away. */
const REASON = /--\s*contract:\s*\S/;

/**
 * The statements of a migration that could fail processes of the release before, which trade on the schema while it is
 * new. Only what adds is taken: tables, indexes and columns that may be empty or have a default; whatever else is in a
 * migration is named here, unless a comment right above it says `contract:` and why it is safe.
 */
export function contractingStatements(script: string): string[] {
  const statements = splitStatements(script);
  const made = statements.flatMap(
    ({ text }) => /^create table (?:if not exists )?(\S+)/i.exec(text)?.[1] ?? [],
  );
  return statements
    .filter(({ text, hasReason }) => !hasReason && !expands(text, made))
    .map(({ text }) => text);
}

/** `made` are the tables of the same migration, of which the release before knows nothing. */
function expands(statement: string, made: readonly string[]): boolean {
  if (/^create (table|index|sequence|type)\b/i.test(statement)) return true;
  const [, changed] =
    /^(?:alter table(?: only)?|create unique index .*? on|insert into|update|comment on \w+) (\w+)/i.exec(
      statement,
    ) ?? [];
  if (changed !== undefined && made.includes(changed)) return true;
  const [, actions] = /^alter table(?: only)? \w+ (.*)$/i.exec(statement) ?? [];
  return actions !== undefined && splitAtCommas(actions).every(addsColumn);
}

function addsColumn(action: string): boolean {
  if (!/^add column\b/i.test(action)) return false;
  if (/\b(unique|primary key|references)\b/i.test(action)) return false;
  return !/\bnot null\b/i.test(action) || /\b(default|generated)\b/i.test(action);
}

function splitAtCommas(text: string): string[] {
  const parts = [''];
  let depth = 0;
  for (const character of text) {
    if (character === '(') depth += 1;
    if (character === ')') depth -= 1;
    if (character === ',' && depth === 0) parts.push('');
    else parts[parts.length - 1] += character;
  }
  return parts.map((part) => part.trim());
}

/** Without comments, and in one line each. Texts in quotes and dollar quotes may hold anything. */
function splitStatements(script: string): { text: string; hasReason: boolean }[] {
  const token =
    /--[^\n]*|\/\*[\s\S]*?\*\/|'(?:[^']|'')*'|"(?:[^"]|"")*"|(\$\w*\$)[\s\S]*?\1|;|[^-/'"$;]+|[-/$]/g;
  const statements: { text: string; hasReason: boolean }[] = [];
  let text = '';
  let hasReason = false;
  const end = () => {
    const line = text.replaceAll(/\s+/g, ' ').trim();
    if (line !== '') statements.push({ text: line, hasReason });
    text = '';
    hasReason = false;
  };
  for (const [part] of script.matchAll(token)) {
    if (part === ';') end();
    else if (part.startsWith('--') || part.startsWith('/*'))
      hasReason ||= text.trim() === '' && REASON.test(part);
    else text += part;
  }
  end();
  return statements;
}
