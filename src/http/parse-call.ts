import { z } from 'zod';
import { AppError } from '../errors.ts';
import { REQUEST_ERRORS } from '../limits.ts';
import { isStorable } from './json.ts';
import { invalidRequest, type RequestError } from './problem.ts';
import type { RouteSpec } from './route.ts';

/** A route without a body takes an empty object as well: many clients send one with every POST. */
const noBody = z.strictObject({}).optional();

/** What a client sent, before validation. */
export interface RawCall {
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** The JSON value of the body; undefined when there is none. */
  readonly body: unknown;
}

export interface ParsedCall {
  readonly params: unknown;
  readonly query: unknown;
  readonly body: unknown;
}

/**
 * Validates a request by its route. Fails with `not_found` (404) when the path names nothing that could exist,
 * and with `invalid_request` (400) listing what is wrong with the query and the body.
 */
export function createCallParser(spec: RouteSpec): (raw: RawCall) => ParsedCall {
  const repeatable = repeatableNames(spec.query);
  return (raw) => {
    const params = spec.params?.safeParse(raw.params);
    if (params?.success === false || !Object.values(raw.params).every(isStorable)) throw nothingThere();
    const wrong: RequestError[] = [];
    const query = spec.query?.safeParse(readQuery(spec.query, repeatable, raw.query, wrong));
    if (query?.success === false) wrong.push(...listErrors(query.error));
    const body = (spec.body ?? noBody).safeParse(raw.body);
    if (!body.success) wrong.push(...listErrors(body.error));
    if (wrong.length > 0) throw invalidRequest(wrong.slice(0, REQUEST_ERRORS));
    return { params: params?.data, query: query?.data, body: spec.body ? body.data : undefined };
  };
}

export function nothingThere(): AppError {
  return new AppError('not_found', 'not_found', 'there is nothing here');
}

/** Parameters whose schema is an array, behind whatever default or transform: those may be given again. */
function repeatableNames(query: z.ZodObject | undefined): ReadonlySet<string> {
  const entries = Object.entries(query?.shape ?? {});
  const isArray = (schema: z.core.$ZodType) =>
    z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }).type === 'array';
  return new Set(entries.filter(([, schema]) => isArray(schema)).map(([name]) => name));
}

function readQuery(
  schema: z.ZodObject,
  repeatable: ReadonlySet<string>,
  given: URLSearchParams,
  wrong: RequestError[],
): Record<string, string | string[]> {
  const query: Record<string, string | string[]> = {};
  for (const name of Object.keys(schema.shape)) {
    const values = given.getAll(name);
    const [first] = values;
    if (first === undefined) continue;
    // An empty field of a form: as a number it would pass for 0.
    if (values.includes('')) {
      wrong.push({ path: name, message: 'is empty' });
      continue;
    }
    if (!values.every(isStorable)) wrong.push({ path: name, message: 'holds a NUL' });
    if (values.length > 1 && !repeatable.has(name)) wrong.push({ path: name, message: 'is given twice' });
    query[name] = repeatable.has(name) ? values : first;
  }
  return query;
}

/** Names are cut short, since they may be the client's own. */
function listErrors(error: z.ZodError): RequestError[] {
  const at = (path: readonly PropertyKey[]) => path.map(String).join('.').slice(0, 200);
  return error.issues.flatMap((issue) =>
    issue.code === 'unrecognized_keys'
      ? issue.keys.map((key) => ({ path: at([...issue.path, key]), message: 'is not known here' }))
      : [{ path: at(issue.path), message: issue.message }],
  );
}
