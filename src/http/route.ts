import type { z } from 'zod';
import type { IdempotencyClaim } from './idempotency.ts';

export type Role = 'customer' | 'staff' | 'admin';

/** Who is asking, from a verified access token. */
export interface Principal {
  readonly userId: string;
  readonly role: Role;
}

/** Whether `role` has at least the rights of `needed`. */
export function hasRole(role: Role, needed: Role): boolean {
  const order: readonly Role[] = ['customer', 'staff', 'admin'];
  return order.indexOf(role) >= order.indexOf(needed);
}

export interface AnswerSpec {
  readonly description: string;
  /** None: the answer has no body. */
  readonly schema?: z.ZodType;
}

/**
 * A route as data: what validates a request is what the OpenAPI document shows, and a process that does not host
 * the module still knows its routes. Paths are below `/api/v1` in OpenAPI's form, as `/orders/{id}`.
 */
export interface RouteSpec {
  readonly method: 'get' | 'post' | 'put' | 'patch' | 'delete';
  readonly path: string;
  /** A path that stands outside `/api/v1`. */
  readonly absolute?: true;
  readonly summary: string;
  readonly description?: string;
  /** `anyone` does not look at the token at all. */
  readonly access: 'anyone' | Role;
  /** `z.object` with a member for each `{name}` of the path. A value that does not parse is 404 `not_found`. */
  readonly params?: z.ZodObject;
  /** `z.object`; a repeatable parameter is a `z.array`. Unknown parameters are ignored. */
  readonly query?: z.ZodObject;
  /** Request headers of the route's own, by name: what they mean. The platform's are known. */
  readonly headers?: Readonly<Record<string, string>>;
  /** JSON body: `z.strictObject`, so that unknown members are refused. */
  readonly body?: z.ZodType;
  /** A body that is not JSON: `bytes` are read whole (up to BODY_BYTES), a `stream` is handed over. */
  readonly rawBody?: {
    readonly as: 'bytes' | 'stream';
    readonly contentType: string;
    readonly maxBytes: number;
  };
  /** What `Idempotency-Key` means here; default for a signed-in POST is `honoured`, otherwise `ignored`. */
  readonly idempotency?: 'required' | 'honoured' | 'ignored';
  /** Success answers by status. */
  readonly answers: Readonly<Record<number, AnswerSpec>>;
  /** Problems the route itself may answer: code → status and when. The platform adds those that all routes share. */
  readonly problems?: Readonly<Record<string, { status: number; description: string }>>;
}

type Parsed<S> = S extends z.ZodType ? z.output<S> : undefined;

/** A request after authentication and validation. */
export interface RouteCall<R extends RouteSpec = RouteSpec> {
  readonly params: Parsed<R['params']>;
  readonly query: Parsed<R['query']>;
  readonly body: Parsed<R['body']>;
  /** Set unless the route's access is `anyone`. */
  readonly principal: R['access'] extends 'anyone' ? undefined : Principal;
  /** Present when the client sent an Idempotency-Key and the route takes one; see `idempotency.ts`. */
  readonly claim: IdempotencyClaim | undefined;
  readonly headers: Headers;
  /** Opaque versions from `If-Match`, without quotes and `W/`; undefined when absent or `*`. See `requireFresh`. */
  readonly ifMatch: readonly string[] | undefined;
  /** The body's bytes, for `rawBody.as = 'bytes'`. */
  readonly bytes: Uint8Array | undefined;
  /** The body's stream, for `rawBody.as = 'stream'`; ends in a 413 AppError past its limit. */
  readonly stream: ReadableStream<Uint8Array> | undefined;
  /** The client's address, by TRUSTED_PROXIES. */
  readonly clientAddress: string;
  /** Aborts when the client goes away. */
  readonly signal: AbortSignal;
}

export interface Answer {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /**
   * The single resource's version. With it the platform sends `ETag: "<version>.<hash of the body>"` and answers
   * `If-None-Match` on GET with 304.
   */
  readonly version?: number;
}

export type Handler<R extends RouteSpec = RouteSpec> = (call: RouteCall<R>) => Promise<Answer>;

/** A module's routes by operation id. */
export type Routes = Readonly<Record<string, RouteSpec>>;

export type Handlers<R extends Routes = Routes> = { readonly [K in keyof R]: Handler<R[K]> };

export function defineRoutes<const R extends Routes>(routes: R): R {
  return routes;
}
