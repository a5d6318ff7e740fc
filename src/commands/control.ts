import { createHash, timingSafeEqual } from 'node:crypto';
import { Hono } from 'hono';
import { z } from 'zod';
import type { Finding } from '../audit.ts';
import type { OpenDelivery } from '../events/admin.ts';
import { deliveryStates } from '../events/delivery-state.ts';
import { BACKUP_PATIENCE_MS } from '../limits.ts';

/** An open delivery, and the module whose event it is. */
export type ListedDelivery = OpenDelivery & { readonly module: string };

/** A new signing key, and when it takes over (RFC 3339). */
export interface NewKey {
  readonly kid: string;
  readonly signsFrom: string;
}

/** What operators do to a shop, whether they hold its folder or talk to the process that does. */
export interface Operations {
  /** Looks everything over and yields what breaks an invariant. */
  audit(): AsyncIterable<Finding>;
  /** The bytes of a backup of what is in the folder; see `Shop`. */
  backup(): AsyncIterable<Uint8Array>;
  readonly events: {
    /** Open deliveries, those due longest first. */
    list(filter: DeliveryFilter): Promise<readonly ListedDelivery[]>;
    /** Makes the event's parked deliveries due again, for one consumer or all; how many there were. */
    retry(eventId: string, consumer?: string): Promise<number>;
    /** Gives a parked delivery up, so that those behind it go on; how many there were. */
    skip(eventId: string, consumer: string): Promise<number>;
  };
  readonly keys: {
    /** Makes a new signing key; tokens signed by the old ones stay good until they end. */
    rotate(): Promise<NewKey>;
  };
  readonly orders: {
    /** Writes the read model of every order anew from the log; how many there were. */
    rebuild(): Promise<number>;
  };
}

const filterSchema = z.object({
  state: z.enum(deliveryStates).optional(),
  limit: z.coerce.number().int().min(1).max(10_000).default(100),
});
export type DeliveryFilter = z.output<typeof filterSchema>;

const retrySchema = z.object({ eventId: z.uuid(), consumer: z.string().optional() });
const skipSchema = z.object({ eventId: z.uuid(), consumer: z.string() });

/** A line of the audit's answer. The last one tells that nothing was cut off. */
export type AuditLine =
  | { readonly finding: Finding }
  | { readonly end: 'complete' }
  | { readonly end: 'failed'; readonly message: string };

/**
 * The operator's door to a running shop, mounted on the operations port. The folder is locked while the shop
 * runs, so its commands come through here. Whoever can read the token in the folder could read the folder too.
 */
export function createControlApp(shop: Operations, token: string, patienceMs = BACKUP_PATIENCE_MS): Hono {
  const app = new Hono();
  const expected = digest(`Bearer ${token}`);

  app.use('/control/*', async (c, next) => {
    // Digests are of one length, so the comparison takes the same time for every guess.
    if (!timingSafeEqual(digest(c.req.header('authorization') ?? ''), expected)) {
      return c.json({ message: 'the control token is missing or wrong' }, 401);
    }
    await next();
  });
  app.onError((error, c) => {
    if (error instanceof z.ZodError) return c.json({ message: z.prettifyError(error) }, 400);
    return c.json({ message: error.message }, 500);
  });

  app.get('/control/ping', (c) => c.body(null, 204));
  app.post('/control/audit', (c) => {
    const lines = ReadableStream.from(auditLines(shop));
    return c.body(lines.pipeThrough(new TextEncoderStream()), 200, {
      'content-type': 'application/x-ndjson',
    });
  });
  app.post('/control/backup', async (c) => {
    const chunks = shop.backup()[Symbol.asyncIterator]();
    // So that what keeps it from beginning is still an answer with a status.
    const first = await chunks.next();
    return c.body(streamOf(startingWith(first, chunks), patienceMs), 200, {
      'content-type': 'application/gzip',
    });
  });
  app.get('/control/events', async (c) =>
    c.json({ data: await shop.events.list(filterSchema.parse(c.req.query())) }),
  );
  app.post('/control/events/retry', async (c) => {
    const { eventId, consumer } = retrySchema.parse(await c.req.json());
    return c.json({ count: await shop.events.retry(eventId, consumer) });
  });
  app.post('/control/events/skip', async (c) => {
    const { eventId, consumer } = skipSchema.parse(await c.req.json());
    return c.json({ count: await shop.events.skip(eventId, consumer) });
  });
  app.post('/control/keys/rotate', async (c) => c.json(await shop.keys.rotate()));
  app.post('/control/orders/rebuild', async (c) => c.json({ count: await shop.orders.rebuild() }));
  return app;
}

async function* auditLines(shop: Operations): AsyncIterable<string> {
  const write = (line: AuditLine) => `${JSON.stringify(line)}\n`;
  try {
    for await (const finding of shop.audit()) yield write({ finding });
    yield write({ end: 'complete' });
  } catch (error) {
    // The status has long been sent, so the failure travels as a line.
    yield write({ end: 'failed', message: error instanceof Error ? error.message : String(error) });
  }
}

/** Goes on with `rest`, and ends it when nobody reads any more. */
async function* startingWith<T>(first: IteratorResult<T>, rest: AsyncIterator<T>): AsyncGenerator<T> {
  try {
    for (let next = first; !next.done; next = await rest.next()) yield next.value;
  } finally {
    await rest.return?.();
  }
}

/** The chunks as they are taken; ends them, and the stream, when the next one is not asked for in time. */
function streamOf(chunks: AsyncGenerator<Uint8Array>, patienceMs: number): ReadableStream<Uint8Array> {
  let waiting: NodeJS.Timeout | undefined;
  return new ReadableStream({
    async pull(controller) {
      clearTimeout(waiting);
      const { done, value } = await chunks.next();
      if (done) return controller.close();
      controller.enqueue(value);
      waiting = setTimeout(() => {
        controller.error(new Error(`nobody took the backup for ${patienceMs} ms`));
        void chunks.return(undefined);
      }, patienceMs);
    },
    async cancel() {
      clearTimeout(waiting);
      await chunks.return(undefined);
    },
  });
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
