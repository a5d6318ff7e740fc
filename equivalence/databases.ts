import { randomBytes } from 'node:crypto';
import postgres from 'postgres';

export const schemas = ['users', 'products', 'orders', 'payments', 'notifications'] as const;
export type Schema = (typeof schemas)[number];

const modules: Readonly<Record<Schema, string>> = {
  users: 'USER',
  products: 'PRODUCT',
  orders: 'ORDER',
  payments: 'PAYMENT',
  notifications: 'NOTIFICATION',
};

/** Where a shop's modules keep their data, for whoever looks at it from outside. */
export interface Databases {
  /** The settings by which the shop finds them. */
  readonly settings: Readonly<Record<string, string>>;
  /** A connection to the database that holds the schema. */
  of(schema: Schema): postgres.Sql;
  /** Ends all sessions, and removes the databases and the roles that were made for them. */
  drop(): Promise<void>;
}

/** Makes an empty database, or one for each module, on the server at `serverUrl`, whose login may make them. */
export async function createDatabases(serverUrl: string, kind: 'shared' | 'perModule'): Promise<Databases> {
  const server = connect(serverUrl);
  const run = randomBytes(6).toString('hex');
  const names = new Map<Schema, string>();
  for (const schema of schemas)
    names.set(schema, kind === 'shared' ? `equivalence_${run}` : `equivalence_${run}_${schema}`);
  const all = [...new Set(names.values())];
  for (const name of all) await server`create database ${server(name)}`;
  const urlOf = (name: string) => {
    const url = new URL(serverUrl);
    url.pathname = `/${name}`;
    return url.href;
  };
  const connections = new Map(all.map((name) => [name, connect(urlOf(name))]));
  return {
    settings:
      kind === 'shared'
        ? { DATABASE_URL: urlOf(all[0]!) }
        : Object.fromEntries(
            schemas.map((schema) => [`${modules[schema]}_DATABASE_URL`, urlOf(names.get(schema)!)]),
          ),
    of: (schema) => connections.get(names.get(schema)!)!,
    async drop() {
      for (const sql of connections.values()) await sql.end({ timeout: 5 });
      for (const name of all) await server`drop database if exists ${server(name)} with (force)`;
      // They belong to the whole server, and are named after their database.
      const roles = await server`
        select rolname from pg_roles where starts_with(rolname, ${`equivalence_${run}`})`;
      for (const { rolname } of roles) await server`drop role if exists ${server(rolname)}`;
      await server.end({ timeout: 5 });
    },
  };
}

function connect(url: string): postgres.Sql {
  // The driver prints notices unless told otherwise.
  return postgres(url, { max: 1, onnotice: () => undefined });
}
