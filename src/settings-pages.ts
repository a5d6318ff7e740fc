import { flagOf, nestedVariableOf, type SettingName, settingNames, settingTable } from './settings.ts';

/** docs/settings.md, from the table. `npm test -- src/config.test.ts --update` writes it anew. */
export function renderSettingsPage(): string {
  const rows = settingNames.map((name) => {
    const { path, description, expects, otherwise } = settingTable[name];
    const inFile = path === undefined ? '' : `\`${path}\``;
    const nested = path === undefined ? '' : `\`${nestedVariableOf(path)}\``;
    const fallback = otherwise ?? `\`${settingTable[name].default}\``;
    const cells = [`\`${name}\``, `\`--${flagOf(name)}\``, inFile, nested, description, expects, fallback];
    return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  });
  return `# Settings

Written by a test from the table in src/settings.ts; change it there.

Each setting has a variable, a flag, a key in a YAML file and a nested variable named after that key. A later layer
wins: defaults, file, environment-specific file, environment, flags. The file is \`deploy/config/banyan.yaml\`
(\`banyan.yaml\` beside an executable of one file), or the one that \`--config\` names; beside it
\`banyan.<RUN_ENV>.yaml\` is read if it is there. An empty variable counts as not set. A variable and its nested form
may both be set only if they agree. Unknown keys, flags and \`APP_\` variables are refused. All faults are listed at
once, and the exit code is 78.

| variable | flag | key in a file | nested variable | meaning | expects | default |
| --- | --- | --- | --- | --- | --- | --- |
${rows.join('\n')}

Flags are visible to everybody who may list processes: pass passwords and secrets by variable or file.
`;
}

/** deploy/config/banyan.yaml: every key with its default, all commented out. */
export function renderConfigFile(): string {
  const groups = new Map<string, SettingName[]>();
  for (const name of settingNames) {
    const group = settingTable[name].path?.split('.')[0];
    if (group !== undefined) groups.set(group, [...(groups.get(group) ?? []), name]);
  }
  const parts = [...groups].map(([group, names]) => {
    const lines = names.map((name) => {
      const { path, description, otherwise } = settingTable[name];
      const value = settingTable[name].default ?? '';
      const note = otherwise === undefined ? '' : ` Otherwise: ${otherwise}.`;
      return `  # ${description}${note}\n  # ${`${path?.split('.')[1]}: ${value}`.trimEnd()}\n`;
    });
    return `${group}:\n${lines.join('')}`;
  });
  return `# Settings of every environment; banyan.<RUN_ENV>.yaml beside this file is read over it.
# Take the mark off a line to set it. docs/settings.md tells more.

${parts.join('\n')}`;
}
