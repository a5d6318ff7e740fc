import { serve } from '@hono/node-server';
import { Hono } from 'hono';
import postgres from 'postgres';
import { exampleProduct } from './example-product.ts';

/**
 * The ceiling of a read from Postgres: Hono, and one prepared statement that finds one row by its key.
 * `bin/node bench/limits/one-read.ts <database URL> <rows>`, with the rows' keys from 0.
 */
const [url = '', rows = '1'] = process.argv.slice(2);
const sql = postgres(url, { max: 10, onnotice: () => undefined });
await sql`create table product (id integer primary key, data json not null)`;
await sql`insert into product select id, ${JSON.stringify(exampleProduct)}::json
  from generate_series(0, ${Number(rows) - 1}::integer) id`;
await sql`vacuum analyze product`;

const app = new Hono();
app.get('/products/:id', async (context) => {
  const [row] = await sql`select data from product where id = ${Number(context.req.param('id'))}`;
  return row === undefined ? context.notFound() : context.json(row.data);
});
serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 }, ({ port }) => process.send?.(port));
process.once('disconnect', () => process.exit());
