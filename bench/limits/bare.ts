import { serve } from '@hono/node-server';
import { Hono } from 'hono';
import { exampleProduct } from './example-product.ts';

/** The ceiling of every read: Hono answering with JSON that it has. */
const app = new Hono();
app.get('/products/:id', (context) => context.json(exampleProduct));
serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 }, ({ port }) => process.send?.(port));
process.once('disconnect', () => process.exit());
