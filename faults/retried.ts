import type { Attempt } from './rotating-client.ts';

/** Looks for requests that failed after one retry, each a broken promise of a deployment; and counts first failures. */
export function checkRetried(attempts: readonly Attempt[]): { problems: string[]; notes: string[] } {
  const unanswered = attempts.filter(({ outcome }) => !isAnswer(outcome));
  const failed = unanswered.filter(({ number }) => number > 1);
  return {
    problems:
      failed.length === 0
        ? []
        : [`${failed.length} requests failed after one retry: ${count(failed.map(describe))}`],
    notes: [`first tries that failed: ${count(unanswered.map(({ outcome }) => outcome))}`],
  };
}

function isAnswer(outcome: string): boolean {
  return /^[1-4]\d\d$/.test(outcome);
}

/** What was asked and what came of it, without the ids in its path. */
function describe({ method, path, outcome }: Attempt): string {
  return `${method} ${path.replaceAll(/[0-9a-f-]{36}/g, '…')} ${outcome}`;
}

function count(words: readonly string[]): string {
  const counts = Map.groupBy(words, (word) => word);
  return [...counts].map(([word, all]) => `${word} ${all.length}`).join(', ') || 'none';
}
