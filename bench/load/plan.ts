/** What every client of a load does, one request after another. Plain data: it crosses to the load's process. */
export type Work =
  | {
      /** `GET` of one of the paths at random, answered with 200. */
      readonly kind: 'get';
      readonly paths: readonly string[];
    }
  | {
      /** Paid orders of `lines` different skus each, one piece of each, chosen at random. Answered 201 and paid. */
      readonly kind: 'order';
      readonly skus: readonly string[];
      readonly lines: number;
      readonly currency: string;
      /** Access tokens of customers, who take turns. */
      readonly tokens: readonly string[];
    }
  | {
      /** The same request with one of the bodies, sent as JSON, at random. Answered with `status`. */
      readonly kind: 'send';
      readonly method: 'POST' | 'PUT' | 'PATCH';
      readonly path: string;
      readonly bodies: readonly string[];
      readonly status: number;
    };

export interface LoadPlan {
  /** The root, as `http://127.0.0.1:8080`. */
  readonly url: string;
  /** Connections, with one request under way on each. */
  readonly clients: number;
  readonly seconds: number;
  /**
   * Requests a second, evenly spread: at half load, latency is that of a shop that is not pushed. A request that finds
   * every client busy waits, and its wait counts. Without it each client asks as soon as it is answered.
   */
  readonly pace?: number;
  /** Ends the run early, once so many were answered. */
  readonly count?: number;
  readonly work: Work;
}

export interface LoadResult {
  /** Answered requests. Each was checked: one wrong answer fails the run. */
  readonly count: number;
  /** Answers a second. */
  readonly rate: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly highestMs: number;
  /** Answers by status. */
  readonly statuses: Readonly<Record<string, number>>;
  /** What the load itself used, to see that it is not what limits. */
  readonly cpuSeconds: number;
}
