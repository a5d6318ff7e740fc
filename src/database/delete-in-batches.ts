import type { SQL } from 'drizzle-orm';
import type { Database } from './database.ts';

/**
 * Runs a statement that deletes up to `batch` rows again and again until it finds fewer; how many it deleted in all.
 * One worker cleans up for a whole shop, so a single batch a turn could fall behind what the shop makes. `deletion`
 * ends in `returning` and takes its rows with `for update skip locked`, so that a worker that was stopped meanwhile
 * and the next one keep out of each other's way.
 */
export async function deleteInBatches(database: Database, batch: number, deletion: SQL): Promise<number> {
  let total = 0;
  for (;;) {
    const rows = await database.rows(deletion);
    total += rows.length;
    if (rows.length < batch) return total;
  }
}
