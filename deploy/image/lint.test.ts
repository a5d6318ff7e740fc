import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { validate } from 'dockerfile-utils';
import { expect, test } from 'vitest';
import { lint, rules } from './lint.ts';
import { readDockerfile } from './read-dockerfile.ts';

const project = join(import.meta.dirname, '../..');
const text = readFileSync(join(project, 'deploy/Dockerfile'), 'utf8');

test('the Dockerfile has only what the format knows', () => {
  expect(validate(text)).toEqual([]);
  expect(validate('FROM a:1\nEXPOSE here\nRUNN x')).toHaveLength(2);
});

test("the Dockerfile keeps hadolint's rules", () => {
  expect(lint(text)).toEqual([]);
});

test('a rule is left out only where a comment says so', () => {
  const ignored = text.match(/^# hadolint ignore=.*$/gm);
  expect(ignored).toEqual(['# hadolint ignore=DL3008']);
  expect(lint(text.replace('# hadolint ignore=DL3008', '# no reason'))).toEqual([
    expect.stringMatching(/^\d+: DL3008 /),
  ]);
});

/** For each rule a file that breaks it, and perhaps others. */
const broken: Readonly<Record<string, string>> = {
  DL3000: 'FROM a:1\nWORKDIR app',
  DL3001: 'FROM a:1\nRUN true && vim x',
  DL3002: 'FROM a:1\nUSER 1000\nUSER root',
  DL3003: 'FROM a:1\nRUN cd /x && make',
  DL3004: 'FROM a:1\nRUN sudo make',
  DL3006: 'FROM registry:5000/a',
  DL3007: 'FROM a:latest',
  DL3008: 'FROM a:1\nRUN apt-get install -y b=1 c',
  DL3009: 'FROM a:1\nRUN apt-get update && apt-get install -y b=1',
  DL3011: 'FROM a:1\nEXPOSE 80 70000',
  DL3012: 'FROM a:1\nHEALTHCHECK CMD a\nHEALTHCHECK CMD b',
  DL3014: 'FROM a:1\nRUN apt-get install b=1',
  DL3015: 'FROM a:1\nRUN apt-get install -y b=1',
  DL3016: 'FROM a:1\nRUN npm install -g @scope/b',
  DL3020: 'FROM a:1\nADD b /b',
  DL3021: 'FROM a:1\nCOPY b c /d',
  DL3022: 'FROM a:1 AS one\nCOPY --from=two b /b',
  DL3023: 'FROM a:1 AS one\nCOPY --from=one b /b',
  DL3024: 'FROM a:1 AS one\nFROM b:1 AS one',
  DL3025: 'FROM a:1\nCMD serve',
  DL3027: 'FROM a:1\nRUN apt install b',
  DL3029: 'FROM --platform=linux/arm64 a:1',
  DL3044: 'FROM a:1\nENV A=1 B=$A',
  DL3045: 'FROM a:1\nCOPY b ./',
  DL3056: 'FROM a:1\nLABEL org.opencontainers.image.version="one"',
  DL3057: 'FROM a:1',
  DL3059: 'FROM a:1\nRUN b\nRUN c',
  DL3061: 'WORKDIR /a\nFROM a:1',
  DL4000: 'FROM a:1\nMAINTAINER me',
  DL4003: 'FROM a:1\nCMD ["a"]\nCMD ["b"]',
  DL4004: 'FROM a:1\nENTRYPOINT ["a"]\nENTRYPOINT ["b"]',
  DL4006: 'FROM a:1\nRUN a | b',
};

test.each(Object.keys(rules))('%s finds what breaks it', (code) => {
  expect(lint(broken[code]!)).toContainEqual(expect.stringContaining(`: ${code} `));
});

const hasShellCheck = (() => {
  try {
    execFileSync('shellcheck', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

// A bare machine says that it left this out; CI installs it.
test.skipIf(!hasShellCheck)(
  'ShellCheck has nothing to say of RUN instructions and of the shell scripts',
  () => {
    const check = (args: readonly string[], input?: string) =>
      execFileSync('shellcheck', args, { cwd: project, input, encoding: 'utf8' });
    const commands = readDockerfile(text).stages.flatMap(({ steps }) =>
      steps.filter(({ keyword }) => keyword === 'RUN').map((step) => step.text),
    );
    expect(commands).toHaveLength(3);
    for (const command of commands) expect(check(['--shell=sh', '-'], command)).toBe('');
    expect(check(['bin/banyan', 'bin/node', '.ci/run'])).toBe('');
    expect(() => check(['--shell=sh', '-'], 'echo $(cat a b')).toThrow();
  },
);
