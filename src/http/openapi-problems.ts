import { errorStatus } from '../errors.ts';
import { keyUse } from './idempotency-key.ts';
import type { JsonSchema } from './openapi-schemas.ts';
import type { RouteSpec } from './route.ts';

type Problems = Readonly<Record<string, { readonly status: number; readonly description: string }>>;

/** The schema of every problem document; a code may add members, which its description names. */
export const problemSchema: JsonSchema = {
  type: 'object',
  description: 'What went wrong (RFC 9457). `code` is stable; `detail` is for people.',
  required: ['type', 'title', 'status', 'detail', 'instance', 'code', 'traceId'],
  properties: {
    type: { type: 'string', format: 'uri-reference', description: '`/problems/<code>`' },
    title: { type: 'string' },
    status: { type: 'integer', minimum: 400, maximum: 599 },
    detail: { type: 'string' },
    instance: { type: 'string', format: 'uri-reference', description: 'The path that was asked for.' },
    code: { type: 'string' },
    traceId: {
      type: 'string',
      description: 'Name it to the operators of the shop, who find the request by it.',
    },
    errors: {
      type: 'array',
      description: 'On 400: what is wrong with the request.',
      items: {
        type: 'object',
        required: ['path', 'message'],
        properties: {
          path: { type: 'string', description: 'As `items.0.sku`; empty for the whole.' },
          message: { type: 'string' },
        },
      },
    },
  },
};

/** A change of one resource, which `If-Match` can guard; a POST that answers 200 is one, as a cancellation. */
export function isSingleWrite(spec: RouteSpec): boolean {
  if (spec.params === undefined || spec.method === 'get') return false;
  return spec.method !== 'post' || 200 in spec.answers;
}

/** Every problem that the platform or the route itself may answer, by code. */
function problemsOf(spec: RouteSpec): Problems {
  const mayHaveBody = spec.method !== 'get' && spec.method !== 'delete';
  const usesKey = keyUse(spec) !== 'ignored';
  return {
    invalid_request: { status: 400, description: 'The request is malformed; `errors` lists where.' },
    ...(keyUse(spec) === 'required' && {
      idempotency_key_missing: { status: 400, description: 'The header Idempotency-Key is missing.' },
    }),
    ...(spec.query &&
      'cursor' in spec.query.shape && {
        invalid_cursor: {
          status: 400,
          description: 'The cursor was not made for this list and these filters.',
        },
      }),
    ...(spec.access !== 'anyone' && {
      unauthenticated: { status: 401, description: 'There is no access token.' },
      invalid_token: { status: 401, description: 'The access token does not hold, or no longer.' },
    }),
    ...(spec.access !== 'anyone' &&
      spec.access !== 'customer' && {
        forbidden: { status: 403, description: `This needs the role ${spec.access}.` },
      }),
    ...(spec.params && {
      not_found: { status: 404, description: 'There is no such thing, or it is not yours to see.' },
    }),
    ...(usesKey && {
      idempotency_key_in_flight: { status: 409, description: 'The first request with this key still runs.' },
      idempotency_key_reused: { status: 422, description: 'The key was used with another request.' },
    }),
    ...(isSingleWrite(spec) && {
      precondition_failed: { status: 412, description: 'The resource is no longer what If-Match names.' },
    }),
    ...(mayHaveBody && {
      payload_too_large: { status: 413, description: 'The body is too large.' },
      unsupported_media_type: { status: 415, description: 'The body is of another media type.' },
    }),
    rate_limited: { status: 429, description: 'Too many requests; Retry-After tells when to come back.' },
    ...spec.problems,
    internal: { status: 500, description: 'A fault of ours, which is logged under the trace id.' },
    unavailable: {
      status: errorStatus.unavailable,
      description: 'Too busy, or a part is away; the code tells. After a write its outcome is unknown.',
    },
  };
}

/** The responses of a route's problems, by status. */
export function problemResponses(spec: RouteSpec): Record<string, object> {
  const byStatus = Map.groupBy(Object.entries(problemsOf(spec)), ([, problem]) => String(problem.status));
  const responses = [...byStatus].map(([status, problems]): [string, object] => [
    status,
    {
      description: problems.map(([code, { description }]) => `\`${code}\`: ${description}`).join('\n\n'),
      headers: headersOf(status),
      content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
    },
  ]);
  return Object.fromEntries(responses);
}

function headersOf(status: string): Record<string, object> {
  const names = ['X-Request-Id'];
  if (status === '401') names.push('WWW-Authenticate');
  if (status === '429') names.push('RateLimit-Policy', 'RateLimit');
  if (status === '429' || status === '503') names.push('Retry-After');
  return Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]));
}
