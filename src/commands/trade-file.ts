import { readFile } from 'node:fs/promises';
import { gunzipSync } from 'node:zlib';
import { z } from 'zod';
import { CommandError, exitCodes } from './exit-codes.ts';

const tradeOrderSchema = z.object({
  /** Becomes the Idempotency-Key, so it keeps to that header's form. */
  invoice: z.string().regex(/^[\x20-\x7e]{1,255}$/),
  /** Empty when the shop did not know who bought. */
  customer: z
    .string()
    .regex(/^[A-Za-z0-9-]{0,40}$/)
    .default(''),
  items: z.array(z.object({ sku: z.string(), quantity: z.int().min(1) })).min(1),
});

/** One invoice of the past. */
export type TradeOrder = z.output<typeof tradeOrderSchema>;

/**
 * Reads up to `limit` orders from a file, as `parseTrade` does. It is read whole: a month of a busy shop is some
 * megabytes. Fails with exit code 66 when it cannot be read.
 */
export async function readTrade(path: string, limit?: number): Promise<TradeOrder[]> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new CommandError(exitCodes.noInput, `${path} cannot be read (${code})`, { cause: error });
  }
  return parseTrade(path, bytes, limit);
}

/**
 * Up to `limit` orders from the content of a file of one JSON object a line, gzipped when its name ends in `.gz`.
 * Fails with exit code 65, naming the line, when it is malformed.
 */
export function parseTrade(path: string, bytes: Buffer, limit = Number.POSITIVE_INFINITY): TradeOrder[] {
  const orders: TradeOrder[] = [];
  let line = 0;
  try {
    const text = (path.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8');
    for (const entry of text.split('\n')) {
      if (orders.length >= limit) break;
      line += 1;
      if (entry.trim() !== '') orders.push(tradeOrderSchema.parse(JSON.parse(entry)));
    }
  } catch (error) {
    throw new CommandError(exitCodes.badData, `${path} line ${line}: ${describe(error)}`, { cause: error });
  }
  return orders;
}

function describe(error: unknown): string {
  if (error instanceof z.ZodError) {
    return error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; ');
  }
  return error instanceof Error ? error.message : String(error);
}
