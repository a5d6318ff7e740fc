import { invariant } from '../errors.ts';
import { IDEMPOTENCY_HOURS, IDEMPOTENCY_KEY_LENGTH } from '../limits.ts';
import { version } from '../version.ts';
import { keyUse } from './idempotency-key.ts';
import { isSingleWrite, problemResponses, problemSchema } from './openapi-problems.ts';
import { createSchemaComponents, type JsonSchema, type SchemaComponents } from './openapi-schemas.ts';
import type { RouteSpec, Routes } from './route.ts';
import { fullPath } from './route-path.ts';

const DESCRIPTION = `Accounts, catalogue, stock, orders and payments of a shop.

Failures are problem documents (RFC 9457) with a stable \`code\`. Money is in minor units. Ids are UUIDs (version 7).
Lists are read page by page: send \`nextCursor\` of the last answer as \`cursor\` until it is null.`;

const headers = {
  'X-Request-Id': header('The id of this request: the one that was sent, if it was sane, or a new one.'),
  'RateLimit-Policy': header('The quota and its window in seconds, as `"default";q=600;w=60`.'),
  RateLimit: header(
    'What is left of the quota, and seconds until it is full again, as `"default";r=599;t=60`.',
  ),
  'Retry-After': header('Seconds until trying again makes sense.', { type: 'integer', minimum: 1 }),
  'WWW-Authenticate': header('The challenge of RFC 6750.'),
  ETag: header('The version of the resource, for If-Match and If-None-Match.'),
  'Idempotency-Replayed': header('`true` when this is the answer to an earlier request with the same key.'),
  Location: header('Where the resource is, when one was created.', {
    type: 'string',
    format: 'uri-reference',
  }),
};

const parameters = {
  IdempotencyKey: keyParameter(false),
  RequiredIdempotencyKey: keyParameter(true),
  IfMatch: {
    name: 'If-Match',
    in: 'header',
    description: 'The ETag that the resource must still have; its version counts.',
    schema: { type: 'string' },
  },
  IfNoneMatch: {
    name: 'If-None-Match',
    in: 'header',
    description: 'The ETag of what the client has; 304 when it is still the same.',
    schema: { type: 'string' },
  },
};

/** The OpenAPI 3.1 document of all modules' routes, made from the schemas that validate. */
export function createOpenApi(
  modules: readonly { readonly name: string; readonly routes: Routes }[],
): object {
  const components = createSchemaComponents();
  components.addNamed('Problem', problemSchema);
  const paths: Record<string, Record<string, object>> = {};
  const ids = new Set<string>();
  for (const { name, routes } of modules) {
    for (const [operationId, spec] of Object.entries(routes)) {
      invariant(!ids.has(operationId), `one route is called ${operationId}`);
      ids.add(operationId);
      const described = operation(spec, { operationId, tags: [name] }, components);
      paths[fullPath(spec)] = { ...paths[fullPath(spec)], [spec.method]: described };
    }
  }
  const document = {
    openapi: '3.1.0',
    info: {
      title: 'Banyan',
      version,
      description: DESCRIPTION,
      contact: { name: 'The operators of this shop' },
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/', description: 'The process that serves this document' }],
    tags: modules
      .filter(({ routes }) => Object.keys(routes).length > 0)
      .map(({ name }) => ({ name, description: `What the module ${name} owns.` })),
    paths,
  };
  const text = JSON.stringify(document);
  const used = <T>(section: string, all: Record<string, T>) =>
    Object.fromEntries(
      Object.entries(all).filter(([name]) => text.includes(`"#/components/${section}/${name}"`)),
    );
  return {
    ...document,
    components: {
      schemas: components.schemas,
      parameters: used('parameters', parameters),
      headers: used('headers', headers),
      securitySchemes: {
        accessToken: {
          type: 'http',
          scheme: 'bearer',
          bearerFormat: 'JWT',
          description: 'The `accessToken` of POST /api/v1/auth/login.',
        },
      },
    },
  };
}

function operation(
  spec: RouteSpec,
  own: { operationId: string; tags: string[] },
  components: SchemaComponents,
): object {
  const access = spec.access === 'anyone' ? 'Open to anyone.' : `Needs the role ${spec.access} or higher.`;
  const body = requestBody(spec, components);
  return {
    ...own,
    summary: spec.summary,
    description: [spec.description, access].filter(Boolean).join('\n\n'),
    security: spec.access === 'anyone' ? [] : [{ accessToken: [] }],
    parameters: [
      ...objectParameters('path', spec.params && components.add(spec.params, 'input')),
      ...objectParameters('query', spec.query && components.add(spec.query, 'input')),
      ...headerParameters(spec),
    ],
    ...(body && { requestBody: body }),
    responses: { ...answers(spec, components), ...problemResponses(spec) },
  };
}

function requestBody(spec: RouteSpec, components: SchemaComponents): object | undefined {
  if (spec.rawBody) {
    const type = spec.rawBody.contentType === 'application/json' ? 'object' : 'string';
    return { required: true, content: { [spec.rawBody.contentType]: { schema: { type } } } };
  }
  if (!spec.body) return undefined;
  const required = !spec.body.safeParse(undefined).success;
  return { required, content: { 'application/json': { schema: components.add(spec.body, 'input') } } };
}

function objectParameters(place: 'path' | 'query', schema: JsonSchema | undefined): object[] {
  const required = new Set(schema?.required);
  return Object.entries(schema?.properties ?? {}).map(([name, property]) => {
    const { description, ...rest } = property as JsonSchema;
    return {
      name,
      in: place,
      ...(description && { description }),
      required: place === 'path' || required.has(name),
      schema: rest,
    };
  });
}

function headerParameters(spec: RouteSpec): object[] {
  const names: (keyof typeof parameters)[] = [];
  const use = keyUse(spec);
  if (use !== 'ignored') names.push(use === 'required' ? 'RequiredIdempotencyKey' : 'IdempotencyKey');
  if (isSingleRead(spec)) names.push('IfNoneMatch');
  if (isSingleWrite(spec)) names.push('IfMatch');
  const own = Object.entries(spec.headers ?? {}).map(([name, description]) => ({
    name,
    in: 'header',
    description,
    schema: { type: 'string' },
  }));
  return [...names.map((name) => ({ $ref: `#/components/parameters/${name}` })), ...own];
}

function answers(spec: RouteSpec, components: SchemaComponents): Record<string, object> {
  const responses: Record<string, object> = {};
  for (const [status, answer] of Object.entries(spec.answers)) {
    const names: (keyof typeof headers)[] = ['X-Request-Id', 'RateLimit-Policy', 'RateLimit'];
    if (keyUse(spec) !== 'ignored' && status !== '202') names.push('Idempotency-Replayed');
    if (status === '201' || status === '202') names.push('Location');
    if (isSingleRead(spec) || (answer.schema && spec.method !== 'get')) names.push('ETag');
    responses[status] = {
      description: answer.description,
      headers: headerRefs(names),
      ...(answer.schema && {
        content: { 'application/json': { schema: components.add(answer.schema, 'output') } },
      }),
    };
  }
  if (isSingleRead(spec)) {
    const names = ['X-Request-Id', 'RateLimit-Policy', 'RateLimit', 'ETag'] as const;
    responses['304'] = { description: 'The client has this very version.', headers: headerRefs(names) };
  }
  return responses;
}

function headerRefs(names: readonly (keyof typeof headers)[]): object {
  return Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]));
}

/** A GET of one resource and not of a list, which has no version. */
function isSingleRead(spec: RouteSpec): boolean {
  return spec.method === 'get' && !(spec.query && 'cursor' in spec.query.shape);
}

function header(description: string, schema: object = { type: 'string' }): object {
  return { description, schema };
}

function keyParameter(required: boolean): object {
  return {
    name: 'Idempotency-Key',
    in: 'header',
    required,
    description: `A key of the client's choice: the same request under the same key within ${IDEMPOTENCY_HOURS} hours has its effect once and gets the same answer.`,
    schema: { type: 'string', minLength: 1, maxLength: IDEMPOTENCY_KEY_LENGTH, pattern: '^[\\x20-\\x7e]+$' },
  };
}
