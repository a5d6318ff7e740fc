import type { Context } from 'hono';
import type { Refusal } from './refusal.ts';

/** What Hono carries along a request. In-process requests (`app.request`) have no bindings. */
export interface HttpEnv {
  Bindings: {
    /** Of whoever is at the other end of the connection, known also when it has been left. */
    readonly remoteAddress?: string;
    /** Set on a request that another process of the shop forwards: its edge has counted it and knows the client. */
    readonly forwarded?: Forwarded;
  };
  Variables: {
    /** The path pattern of the route that answers, for logs and metrics; unset when none matched. */
    route?: string;
    userId?: string;
    /** What the edge says with the answer; unset where another process is the edge. See `edge-headers.ts`. */
    edgeHeaders?: Record<string, string>;
    /** The answer has them. */
    hasEdgeHeaders?: boolean;
    /** The answer is to be sent as it is. */
    isUncompressed?: boolean;
    /** Why the request was turned away, if it was, for metrics. */
    refusal?: Refusal;
  };
}

/** What the edge that forwards a request says of it; believed, since its service token was checked. */
export interface Forwarded {
  readonly clientAddress: string | undefined;
  /** Whom the edge took the sender for; the route checks the user's token again, and must find the same. */
  readonly userId: string | undefined;
  /** By `performance.now()`. */
  readonly deadlineAt: number;
}

export type HttpContext = Context<HttpEnv>;
