import type { LoadPlan, LoadResult } from './plan.ts';
import { runLoad } from './run-load.ts';

/** What the load's process says. */
export type LoadMessage = { readonly result: LoadResult } | { readonly failed: string };

// A process of its own: it runs one plan after another, and ends with whoever started it.
process.on('message', async (plan: LoadPlan) => {
  const message: LoadMessage = await runLoad(plan).then(
    (result) => ({ result }),
    (error: unknown) => ({ failed: error instanceof Error ? error.message : String(error) }),
  );
  process.send?.(message);
});
process.once('disconnect', () => process.exit());
