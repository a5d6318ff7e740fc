import { beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { startEdge, type TestEdge } from '../testing/edge.ts';
import { lintOpenApi } from '../testing/spectral.ts';
import { pageOf, pageQuery } from './cursor.ts';
import { createOpenApi } from './openapi.ts';
import { defineRoutes } from './route.ts';

const money = z.object({ amount: z.int(), currency: z.string() }).meta({ id: 'Money' });
const thing = z.object({ id: z.uuid(), price: money }).meta({ id: 'Thing', description: 'A thing.' });
const newThing = z.strictObject({ price: money, note: z.string().default('') }).meta({ id: 'NewThing' });
const params = z.object({ id: z.uuid() });

const routes = defineRoutes({
  listThings: {
    method: 'get',
    path: '/things',
    access: 'anyone',
    summary: 'List things',
    query: z.object({
      ...pageQuery,
      sku: z.array(z.string()).optional().meta({ description: 'Any of these.' }),
    }),
    answers: { 200: { description: 'A page', schema: pageOf(thing) } },
  },
  readThing: {
    method: 'get',
    path: '/things/{id}',
    access: 'customer',
    summary: 'Read a thing',
    params,
    answers: { 200: { description: 'The thing', schema: thing } },
  },
  makeThing: {
    method: 'post',
    path: '/things',
    access: 'staff',
    summary: 'Make a thing',
    description: 'Names are not checked.',
    body: newThing,
    idempotency: 'required',
    headers: { Prefer: 'How long to wait.' },
    answers: { 201: { description: 'The thing', schema: thing } },
    problems: { name_taken: { status: 409, description: 'Another thing has this name.' } },
  },
  changeThing: {
    method: 'patch',
    path: '/things/{id}',
    access: 'staff',
    summary: 'Change a thing',
    params,
    body: z.strictObject({ price: money.optional() }),
    answers: { 200: { description: 'The thing', schema: thing } },
  },
  dropThing: {
    method: 'delete',
    path: '/things/{id}',
    access: 'staff',
    summary: 'Drop a thing',
    params,
    answers: { 204: { description: 'It is gone' } },
  },
  importThings: {
    method: 'post',
    path: '/things/import',
    access: 'staff',
    summary: 'Import things',
    rawBody: { as: 'stream', contentType: 'text/csv', maxBytes: 10 },
    answers: { 202: { description: 'Under way', schema: z.object({ id: z.uuid() }) } },
  },
  readKeys: {
    method: 'get',
    path: '/.well-known/keys.json',
    absolute: true,
    access: 'anyone',
    summary: 'Read the keys',
    answers: { 200: { description: 'The keys', schema: z.object({ keys: z.array(z.unknown()) }) } },
  },
});

interface Operation {
  readonly parameters: { name?: string; $ref?: string; required?: boolean; schema?: object }[];
  readonly requestBody?: { required: boolean; content: Record<string, { schema: object }> };
  readonly responses: Record<string, { description: string; content?: Record<string, { schema: object }> }>;
  readonly security: object[];
}

interface Document {
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: { schemas: Record<string, { properties: object; additionalProperties?: boolean }> };
}

const document = createOpenApi([{ name: 'thing', routes }]) as Document;

function operation(path: string, method: string): Operation {
  const found = document.paths[path]?.[method];
  if (!found) throw new Error(`${method} ${path} is described`);
  return found;
}

describe('the document', () => {
  it("passes spectral's OpenAPI ruleset without errors or warnings", async () => {
    expect(await lintOpenApi(document)).toEqual([]);
  });

  it('names a schema once, and tells what is sent from what is answered', () => {
    const { schemas } = document.components;
    expect(Object.keys(schemas).sort()).toEqual(['Money', 'MoneyInput', 'NewThingInput', 'Problem', 'Thing']);
    expect(schemas.Thing?.properties).toMatchObject({ price: { $ref: '#/components/schemas/Money' } });
    expect(schemas.NewThingInput).toMatchObject({
      additionalProperties: false,
      required: ['price'],
      properties: { price: { $ref: '#/components/schemas/MoneyInput' } },
    });
    const { requestBody, responses } = operation('/api/v1/things', 'post');
    expect(requestBody).toEqual({
      required: true,
      content: { 'application/json': { schema: { $ref: '#/components/schemas/NewThingInput' } } },
    });
    expect(responses['201']?.content?.['application/json']?.schema).toEqual({
      $ref: '#/components/schemas/Thing',
    });
  });

  it('shows parameters as they are validated', () => {
    expect(operation('/api/v1/things', 'get').parameters).toMatchObject([
      { name: 'limit', in: 'query', required: false, schema: { type: 'integer', minimum: 1, default: 20 } },
      { name: 'cursor', in: 'query', required: false, schema: { type: 'string' } },
      { name: 'sku', description: 'Any of these.', schema: { type: 'array', items: { type: 'string' } } },
    ]);
    expect(operation('/api/v1/things/{id}', 'patch').parameters).toMatchObject([
      { name: 'id', in: 'path', required: true, schema: { type: 'string', format: 'uuid' } },
      { $ref: '#/components/parameters/IfMatch' },
    ]);
    expect(operation('/api/v1/things', 'post').parameters).toEqual([
      { $ref: '#/components/parameters/RequiredIdempotencyKey' },
      { name: 'Prefer', in: 'header', description: 'How long to wait.', schema: { type: 'string' } },
    ]);
    expect(operation('/api/v1/things/import', 'post').parameters).toEqual([]);
  });

  it('lists every problem by status, those of the route among those of the platform', () => {
    const { responses } = operation('/api/v1/things', 'post');
    expect(Object.keys(responses)).toEqual([
      '201',
      '400',
      '401',
      '403',
      '409',
      '413',
      '415',
      '422',
      '429',
      '500',
      '503',
    ]);
    expect(responses['409']?.description).toContain('`name_taken`: Another thing has this name.');
    expect(responses['409']?.description).toContain('`idempotency_key_in_flight`');
    expect(Object.keys(operation('/api/v1/things', 'get').responses)).toEqual([
      '200',
      '400',
      '429',
      '500',
      '503',
    ]);
    expect(Object.keys(operation('/api/v1/things/{id}', 'get').responses)).toContain('304');
    expect(Object.keys(operation('/api/v1/things/{id}', 'delete').responses)).toEqual(
      expect.arrayContaining(['204', '404', '412']),
    );
  });

  it('asks for a token exactly where the edge does', () => {
    expect(operation('/api/v1/things', 'get').security).toEqual([]);
    expect(operation('/.well-known/keys.json', 'get').security).toEqual([]);
    expect(operation('/api/v1/things/{id}', 'get').security).toEqual([{ accessToken: [] }]);
  });

  it('refuses two routes of one name, and two schemas', () => {
    expect(() =>
      createOpenApi([
        { name: 'a', routes },
        { name: 'b', routes },
      ]),
    ).toThrow('one route is called');
    const other = z.object({ other: z.string() }).meta({ id: 'Problem' });
    const clash = defineRoutes({
      clash: { ...routes.readKeys, answers: { 200: { description: 'd', schema: other } } },
    });
    expect(() => createOpenApi([{ name: 'a', routes: clash }])).toThrow('one schema is called Problem');
  });
});

describe('the documentation', () => {
  let edge: TestEdge;
  const nothing = async () => ({ status: 204 });

  beforeAll(async () => {
    const handlers = Object.fromEntries(Object.keys(routes).map((id) => [id, nothing]));
    edge = await startEdge({ routes, handlers: handlers as never });
  });

  it('serves the document', async () => {
    const response = await edge.request('/openapi.json');
    expect(response.headers.get('content-type')).toBe('application/json');
    expect(Object.keys(((await response.json()) as Document).paths)).toEqual(Object.keys(document.paths));
  });

  it('counts who asks for them, like any other request', async () => {
    const limited = await startEdge({ routes: {}, handlers: {}, config: { rateLimit: 2 } });
    const statuses = [];
    for (const path of ['/openapi.json', '/docs', '/docs/start.js', '/openapi.json']) {
      statuses.push((await limited.request(path)).status);
    }
    expect(statuses).toEqual([200, 200, 429, 429]);
  });

  it('serves a page that loads only what this process serves', async () => {
    const page = await edge.request('/docs');
    expect(page.headers.get('content-security-policy')).toContain("script-src 'self'");
    const html = await page.text();
    const links = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => match[1] ?? '');
    expect(links).toHaveLength(4);
    for (const link of links) {
      const asset = await edge.request(link);
      expect(asset.status, link).toBe(200);
      expect((await asset.bytes()).length).toBeGreaterThan(50);
    }
    expect(html).not.toMatch(/https?:/);
    expect((await edge.request('/docs/package.json')).status).toBe(404);
  });
});
