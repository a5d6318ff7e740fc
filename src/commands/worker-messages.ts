/** What a worker tells the primary. */
export type FromWorker =
  /** Its ports are open. */
  | { readonly type: 'ready' }
  /** Somebody asked it for the metrics of all workers; `scrape` is its own number for that. */
  | { readonly type: 'scrape'; readonly scrape: number }
  /** What it has measured, for the primary's collection of that number. */
  | { readonly type: 'measured'; readonly collection: number; readonly snapshot: unknown };

/** What the primary tells a worker; that it should stop, it says by SIGTERM. */
export type FromPrimary =
  | { readonly type: 'measure'; readonly collection: number }
  /** By worker's number: what was measured. */
  | { readonly type: 'scraped'; readonly scrape: number; readonly snapshots: ReadonlyMap<number, unknown> };
