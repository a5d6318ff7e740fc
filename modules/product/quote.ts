import { createBatch } from '#platform/batch';
import type { Database } from '#platform/database/database';
import { AppError } from '#platform/errors';
import { type Money, money } from '#platform/money';
import { type QuoteLine, quoteLines } from './catalogue-store.ts';
import { QUOTE_LINES, READ_LANES } from './limits.ts';
import { unknownSku } from './problems.ts';

export interface QuotedLine {
  readonly sku: string;
  readonly name: string;
  readonly unitPrice: Money;
}

interface Question {
  readonly skus: readonly string[];
  readonly currency: string;
}

/**
 * Tells names and current prices of active skus, in the order asked; what is asked at one time is looked up together.
 * Nothing is kept, so a price that was changed before is the price that is told. `unknown_sku`, `no_price`
 * (unprocessable), both with the `skus` concerned, each once.
 */
export function createQuote(
  database: Database,
): (skus: readonly string[], currency: string) => Promise<QuotedLine[]> {
  const lookUp = createBatch<Question, ReadonlyMap<string, QuoteLine>>({
    async run(questions) {
      const asked = new Map(
        questions.flatMap(({ skus, currency }) =>
          skus.map((sku) => [keyOf({ sku, currency }), { sku, currency }]),
        ),
      );
      const lines = await quoteLines(database, [...asked.values()]);
      const byKey = new Map(lines.map((line) => [keyOf(line), line]));
      return questions.map(() => byKey);
    },
    weigh: (question) => question.skus.length,
    max: QUOTE_LINES,
    lanes: READ_LANES,
  });
  return async (skus, currency) => {
    const lines = await lookUp({ skus, currency });
    const lineOf = (sku: string) => lines.get(keyOf({ sku, currency }));
    const unknown = skus.filter((sku) => lineOf(sku) === undefined);
    if (unknown.length > 0) throw unknownSku(distinct(unknown));
    const unpriced = skus.filter((sku) => lineOf(sku)!.amount === null);
    if (unpriced.length > 0) {
      throw new AppError('unprocessable', 'no_price', `not every sku has a price in ${currency}`, {
        extra: { skus: distinct(unpriced) },
      });
    }
    return skus.map((sku) => {
      const { name, amount } = lineOf(sku)!;
      return { sku, name, unitPrice: money(amount!, currency) };
    });
  };
}

/** Currencies have three letters, so no two keys are alike. */
function keyOf({ sku, currency }: { sku: string; currency: string }): string {
  return `${currency}${sku}`;
}

function distinct(skus: readonly string[]): string[] {
  return [...new Set(skus)];
}
