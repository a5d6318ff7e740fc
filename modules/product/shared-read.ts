import { createBatch } from '#platform/batch';
import { BATCH_WAITING } from '#platform/limits';

/**
 * Reads once for all who ask the same at one time. Who asks while it is being read gets the next read, not that one:
 * so whatever was committed before somebody asked is in what they get. The result is shared: nobody may alter it.
 */
export function createSharedRead<Question, Result>(
  read: (question: Question) => Promise<Result>,
): (question: Question) => Promise<Result> {
  /** The reads under way, by what is asked. */
  const reads = new Map<string, { readonly ask: (question: Question) => Promise<Result>; asking: number }>();

  function begin() {
    const ask = createBatch<Question, Result>({
      async run(questions) {
        const result = await read(questions[0]!);
        return questions.map(() => result);
      },
      max: BATCH_WAITING,
    });
    return { ask, asking: 0 };
  }

  return async (question) => {
    const key = JSON.stringify(question);
    const shared = reads.get(key) ?? begin();
    reads.set(key, shared);
    shared.asking += 1;
    try {
      return await shared.ask(question);
    } finally {
      shared.asking -= 1;
      if (shared.asking === 0) reads.delete(key);
    }
  };
}
