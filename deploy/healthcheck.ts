/**
 * Exit code 0 when this container's shop is ready, else 1. Asks the operations port, which is plain HTTP also where
 * the public one has TLS, and which workers and modules have as well.
 */
const { OPS_HOST = '127.0.0.1', OPS_PORT = '9090' } = process.env;
// All addresses can be listened on, but not be called.
const host = OPS_HOST === '0.0.0.0' || OPS_HOST === '::' ? '127.0.0.1' : OPS_HOST;
const authority = host.includes(':') ? `[${host}]` : host;
const isReady = await fetch(`http://${authority}:${OPS_PORT}/readyz`, { signal: AbortSignal.timeout(4_000) })
  .then((answer) => answer.ok)
  .catch(() => false);
// Ends also while the connection is kept for a next request.
process.exit(isReady ? 0 : 1);
