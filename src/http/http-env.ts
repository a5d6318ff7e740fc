import type { HttpBindings } from '@hono/node-server';
import type { Context } from 'hono';

/** What Hono carries along a request. In-process requests (`app.request`) have no bindings. */
export interface HttpEnv {
  Bindings: Partial<HttpBindings>;
  Variables: {
    /** The path pattern of the route that answers, for logs and metrics; unset when none matched. */
    route?: string;
    userId?: string;
  };
}

export type HttpContext = Context<HttpEnv>;
