import { type Dockerfile, readDockerfile, type Stage, type Step } from './read-dockerfile.ts';

/** A rule of hadolint's, by its number there. */
interface Rule {
  readonly says: string;
  /** The steps that break it. */
  broken(file: Dockerfile): readonly Step[];
}

/** A broken rule, as `24: DL3008 …`. */
export function lint(text: string): string[] {
  const file = readDockerfile(text);
  return Object.entries(rules)
    .flatMap(([code, { says, broken }]) =>
      broken(file)
        .filter((step) => !step.ignored.includes(code))
        .map(({ line }) => ({ line, code, says })),
    )
    .sort((a, b) => a.line - b.line)
    .map(({ line, code, says }) => `${line}: ${code} ${says}`);
}

/**
 * hadolint's rules that a file like ours could break. Those left out are about other languages' package managers, and
 * about what shells do: for that ShellCheck reads the RUN instructions.
 */
export const rules: Readonly<Record<string, Rule>> = {
  DL3000: rule(
    'WORKDIR is absolute',
    ({ keyword, text }) => keyword === 'WORKDIR' && !/^["']?[/$]/.test(text),
  ),
  DL3001: commandRule('a container needs no such program', ([program = '']) => pointless.includes(program)),
  DL3002: {
    says: 'the last user is not root',
    broken: ({ stages }) => {
      const last = of('USER', stages.at(-1)).at(-1);
      return last !== undefined && /^(root|0)(:|$)/.test(last.text) ? [last] : [];
    },
  },
  DL3003: commandRule('WORKDIR instead of cd', ([program]) => program === 'cd'),
  DL3004: commandRule('no sudo', ([program]) => program === 'sudo'),
  DL3006: baseRule('a base has a tag', (image) => !/[:@]/.test(image.slice(image.lastIndexOf('/') + 1))),
  DL3007: baseRule('a base is not `latest`', (image) => image.endsWith(':latest')),
  DL3008: commandRule('versions of packages are named', (words) =>
    aptInstalls(words).some((name) => !name.includes('=')),
  ),
  DL3009: rule(
    "apt's lists are removed",
    (step) =>
      commandsOf(step).some(([program, sub]) => program === 'apt-get' && sub === 'update') &&
      !/rm -\S+ \S*\/var\/lib\/apt\/lists/.test(step.text),
  ),
  DL3011: rule(
    'ports are up to 65535',
    ({ keyword, words }) => keyword === 'EXPOSE' && words.some((word) => Number.parseInt(word, 10) > 65_535),
  ),
  DL3012: inStage('one HEALTHCHECK', (stage) => of('HEALTHCHECK', stage).slice(1)),
  DL3014: commandRule(
    'apt-get asks nothing',
    (words) =>
      aptInstalls(words).length > 0 &&
      !words.some((word) => /^(-\w*y\w*|--yes|--assume-yes|-qq)$/.test(word)),
  ),
  DL3015: commandRule(
    'apt-get installs nothing else',
    (words) => aptInstalls(words).length > 0 && !words.includes('--no-install-recommends'),
  ),
  DL3016: commandRule(
    "versions of npm's packages are named",
    ([program, sub = '', ...rest]) =>
      program === 'npm' &&
      /^(i|install|add)$/.test(sub) &&
      rest.some((word) => !word.startsWith('-') && word.lastIndexOf('@') < 1),
  ),
  DL3020: rule('COPY instead of ADD', ({ keyword }) => keyword === 'ADD'),
  DL3021: rule(
    'the target of several sources is a folder',
    ({ keyword, words }) => keyword === 'COPY' && words.length > 2 && !words.at(-1)?.endsWith('/'),
  ),
  DL3022: {
    says: '--from names an earlier stage',
    broken: ({ stages }) =>
      stages.flatMap(({ steps }, index) => {
        const earlier = stages.slice(0, index).flatMap(({ name }, number) => [name, String(number)]);
        return steps.filter(({ flags: { from } }) => from !== undefined && !earlier.includes(from));
      }),
  },
  DL3023: inStage('no stage copies from itself', ({ name, steps }) =>
    steps.filter(({ flags }) => flags.from !== undefined && flags.from === name),
  ),
  DL3024: {
    says: 'stages have names of their own',
    broken: ({ stages }) =>
      stages
        .filter(
          ({ name }, index) => name !== undefined && stages.findIndex((stage) => stage.name === name) < index,
        )
        .map(({ from }) => from),
  },
  DL3025: rule(
    'no shell around what runs',
    ({ keyword, isExec }) => /^(CMD|ENTRYPOINT)$/.test(keyword) && !isExec,
  ),
  DL3027: commandRule('apt-get instead of apt', ([program]) => program === 'apt'),
  DL3029: {
    says: 'no platform in FROM',
    broken: ({ stages }) => stages.map(({ from }) => from).filter(({ flags }) => 'platform' in flags),
  },
  DL3044: rule('ENV does not refer to itself', ({ keyword, text }) => {
    const names = [...text.matchAll(/(\w+)=/g)].map(([, name]) => name);
    return keyword === 'ENV' && names.some((name) => new RegExp(`\\$\\{?${name}\\b`).test(text));
  }),
  DL3045: inStage('a relative target has a WORKDIR', ({ steps }) => {
    const first = steps.findIndex(({ keyword }) => keyword === 'WORKDIR');
    const before = steps.slice(0, first === -1 ? steps.length : first);
    return before.filter(({ keyword, words }) => keyword === 'COPY' && !words.at(-1)?.startsWith('/'));
  }),
  DL3056: rule('the version is a semantic one', ({ keyword, text }) => {
    const [, version] = /image\.version="?([^"\s]+)/.exec(text) ?? [];
    return keyword === 'LABEL' && version !== undefined && !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version);
  }),
  DL3057: {
    says: 'there is a HEALTHCHECK',
    broken: ({ stages }) => {
      const last = stages.at(-1);
      return last === undefined || of('HEALTHCHECK', last).length > 0 ? [] : [last.from];
    },
  },
  DL3059: inStage('what runs in a row is one RUN', ({ steps }) =>
    steps.filter(({ keyword }, index) => keyword === 'RUN' && steps[index - 1]?.keyword === 'RUN'),
  ),
  DL3061: {
    says: 'only ARG comes before FROM',
    broken: ({ beforeStages }) => beforeStages.filter(({ keyword }) => keyword !== 'ARG'),
  },
  DL4000: rule('no MAINTAINER', ({ keyword }) => keyword === 'MAINTAINER'),
  DL4003: inStage('one CMD', (stage) => of('CMD', stage).slice(1)),
  DL4004: inStage('one ENTRYPOINT', (stage) => of('ENTRYPOINT', stage).slice(1)),
  DL4006: inStage('a pipe fails where a part of it does', ({ steps }) => {
    const isGuarded = steps.some(({ keyword, text }) => keyword === 'SHELL' && text.includes('pipefail'));
    return isGuarded ? [] : steps.filter(({ keyword, text }) => keyword === 'RUN' && /[^|]\|[^|]/.test(text));
  }),
};

const pointless = [
  'ssh',
  'vim',
  'shutdown',
  'service',
  'ps',
  'free',
  'top',
  'kill',
  'mount',
  'ifconfig',
  'nano',
];

function rule(says: string, isBroken: (step: Step) => boolean): Rule {
  return { says, broken: ({ stages }) => stages.flatMap(({ steps }) => steps).filter(isBroken) };
}

function inStage(says: string, broken: (stage: Stage) => readonly Step[]): Rule {
  return { says, broken: ({ stages }) => stages.flatMap(broken) };
}

function commandRule(says: string, isBroken: (words: readonly string[]) => boolean): Rule {
  return rule(says, (step) => commandsOf(step).some(isBroken));
}

function baseRule(says: string, isBroken: (image: string) => boolean): Rule {
  return {
    says,
    broken: ({ stages }) => {
      const names = stages.map(({ name }) => name);
      return stages
        .map(({ from }) => from)
        .filter(
          ({ words: [image = ''] }) => image !== 'scratch' && !names.includes(image) && isBroken(image),
        );
    },
  };
}

function of(keyword: string, stage: Stage | undefined): Step[] {
  return stage?.steps.filter((step) => step.keyword === keyword) ?? [];
}

/** The words of each command of a RUN. */
function commandsOf({ keyword, text }: Step): string[][] {
  if (keyword !== 'RUN') return [];
  return text.split(/&&|\|\||[;|]/).map((command) => command.trim().split(/\s+/));
}

/** What `apt-get install` is told to install. */
function aptInstalls([program, ...words]: readonly string[]): string[] {
  if (program !== 'apt-get' || !words.includes('install')) return [];
  return words.filter((word) => word !== 'install' && !word.startsWith('-'));
}
