import { z } from 'zod';
import { RELAY_HINT_MS } from '../limits.ts';
import type { Broadcast } from '../redis/broadcast.ts';

/** Tells the workers of other processes that `module` has something to deliver; many commits make one hint. */
export function hintWorkers(broadcast: Broadcast, module: string): () => void {
  let isHinted = false;
  return () => {
    if (isHinted) return;
    isHinted = true;
    setTimeout(() => {
      isHinted = false;
      broadcast.publish(topicOf(module), null);
    }, RELAY_HINT_MS);
  };
}

/** Calls `wake` at each hint about `module`, and when some may have been missed. */
export function hearHints(broadcast: Broadcast, module: string, wake: () => void): void {
  broadcast.subscribe(topicOf(module), { schema: z.null(), onMessage: wake, onGap: wake });
}

function topicOf(module: string): string {
  return `outbox:${module}`;
}
