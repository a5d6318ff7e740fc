import { Hono } from 'hono';
import { readAsset } from '../assets.ts';
import type { HttpContext, HttpEnv } from './http-env.ts';

/** What the page loads, all of it from here: a shop's network may reach nothing else. */
const ASSETS: Readonly<Record<string, string>> = {
  'swagger-ui.css': 'text/css',
  'swagger-ui-bundle.js': 'text/javascript',
  'favicon-32x32.png': 'image/png',
};

const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Banyan API</title>
<link rel="icon" type="image/png" href="/docs/favicon-32x32.png">
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
`;

/** `validatorUrl` is the one thing that Swagger UI would fetch from elsewhere. */
const START = `SwaggerUIBundle({
  url: '/openapi.json',
  dom_id: '#swagger-ui',
  deepLinking: true,
  validatorUrl: null,
});
`;

/** Looser than the API's policy: Swagger UI styles its elements inline and draws icons from data URLs. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ');

/**
 * `/openapi.json`, and `/docs` to read and try it. `openapi` makes the document for the first who looks: it takes a
 * sixth of the work of a start. `admit` counts each request; what it throws is the answer.
 */
export function createDocsRoutes(
  openapi: () => object,
  admit: (c: HttpContext) => Promise<void>,
): Hono<HttpEnv> {
  const app = new Hono<HttpEnv>();
  let document: string | undefined;
  app.use('/openapi.json', async (c, next) => {
    c.set('route', '/openapi.json');
    await admit(c);
    await next();
  });
  app.use('/docs/*', async (c, next) => {
    c.set('route', '/docs');
    await admit(c);
    await next();
  });
  app.get('/openapi.json', (c) => {
    c.set('route', '/openapi.json');
    document ??= JSON.stringify(openapi());
    return c.body(document, 200, { 'Content-Type': 'application/json' });
  });
  app.get('/docs', (c) => {
    c.set('route', '/docs');
    return c.html(PAGE, 200, { 'Content-Security-Policy': POLICY });
  });
  app.get('/docs/start.js', (c) => {
    c.set('route', '/docs/start.js');
    return c.body(START, 200, { 'Content-Type': 'text/javascript' });
  });
  for (const [file, contentType] of Object.entries(ASSETS)) {
    // Read once, by the first who looks.
    let content: Uint8Array<ArrayBuffer> | undefined;
    app.get(`/docs/${file}`, (c) => {
      c.set('route', `/docs/${file}`);
      content ??= new Uint8Array(readAsset(`swagger-ui/${file}`));
      return c.body(content, 200, {
        'Content-Type': contentType,
        // Compressing a megabyte of script for each who asks would cost us more than it saves them.
        'Cache-Control': 'public, max-age=3600, no-transform',
      });
    });
  }
  return app;
}
