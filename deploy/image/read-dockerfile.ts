import { DockerfileParser, type Flag, type Instruction, JSONInstruction } from 'dockerfile-ast';

/** One instruction, its continued lines joined. */
export interface Step {
  /** In capitals, as `RUN`. */
  readonly keyword: string;
  /** What follows the keyword and its flags. */
  readonly text: string;
  readonly words: readonly string[];
  /** By name, as `from` of `--from=build`. */
  readonly flags: Readonly<Record<string, string>>;
  /** Whether its words are a JSON array, which no shell reads. */
  readonly isExec: boolean;
  /** Counted from 1. */
  readonly line: number;
  /** The rules that a comment right above says not to follow here. */
  readonly ignored: readonly string[];
}

/** A FROM and what follows it up to the next one. */
export interface Stage {
  readonly from: Step;
  /** As in `FROM … AS build`. */
  readonly name: string | undefined;
  readonly steps: readonly Step[];
}

export interface Dockerfile {
  /** ARGs, if there are any. */
  readonly beforeStages: readonly Step[];
  readonly stages: readonly Stage[];
}

/** Reads the text of a Dockerfile; what no such file may have is for dockerfile-utils to find. */
export function readDockerfile(text: string): Dockerfile {
  const file = DockerfileParser.parse(text);
  const ignoredAt = new Map<number, string[]>();
  for (const comment of file.getComments()) {
    const [, codes] = /^hadolint ignore=(\S+)/.exec(comment.getContent() ?? '') ?? [];
    if (codes !== undefined) ignoredAt.set(comment.getRange().end.line, codes.split(','));
  }
  const steps = file.getInstructions().map((instruction): Step => {
    const { line } = instruction.getRange().start;
    const flags: Flag[] = 'getFlags' in instruction ? (instruction.getFlags as () => Flag[])() : [];
    return {
      keyword: instruction.getKeyword(),
      text: textOf(instruction, flags.length),
      words: instruction.getArguments().map((argument) => argument.getValue()),
      flags: Object.fromEntries(flags.map((flag) => [flag.getName(), flag.getValue() ?? ''])),
      isExec: instruction instanceof JSONInstruction && instruction.getOpeningBracket() !== null,
      line: line + 1,
      ignored: ignoredAt.get(line - 1) ?? [],
    };
  });
  const starts = steps.flatMap(({ keyword }, index) => (keyword === 'FROM' ? [index] : []));
  return {
    beforeStages: steps.slice(0, starts[0] ?? steps.length),
    stages: starts.map((start, index) => {
      const from = steps[start]!;
      const as = from.words.findIndex((word) => word.toUpperCase() === 'AS');
      return {
        from,
        name: as === -1 ? undefined : from.words[as + 1],
        steps: steps.slice(start + 1, starts[index + 1] ?? steps.length),
      };
    }),
  };
}

function textOf(instruction: Instruction, flags: number): string {
  const text = instruction.getArgumentsContent() ?? '';
  return text.replace(new RegExp(`^(--\\S+\\s+){${flags}}`), '');
}
