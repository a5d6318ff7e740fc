import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A process of a module, as its peers see it: an HTTP server that a test tells how to behave. */
export interface PeerStandIn {
  readonly port: number;
  readonly url: string;
  /** The bodies of the requests that reached it, probes left out. */
  readonly received: string[];
  /** How often it was asked whether it lives. */
  readonly probes: number;
  /** Replaceable; says its own port at first. */
  answer: (request: IncomingMessage, response: ServerResponse) => void;
  /** From now on it takes connections and requests and answers nothing, as a process that was stopped. */
  freeze(): void;
  close(): Promise<void>;
}

export async function startPeerStandIn(port = 0): Promise<PeerStandIn> {
  let frozen = false;
  let probes = 0;
  const received: string[] = [];
  const server = createServer(async (request, response) => {
    if (frozen) return;
    if (request.url === '/livez') {
      probes += 1;
      response.end('{}');
      return;
    }
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    received.push(Buffer.concat(chunks).toString('utf8'));
    standIn.answer(request, response);
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const { port: actual } = server.address() as AddressInfo;
  const standIn: PeerStandIn = {
    port: actual,
    url: `http://127.0.0.1:${actual}`,
    received,
    get probes() {
      return probes;
    },
    answer: (_request, response) => void response.end(String(actual)),
    freeze() {
      frozen = true;
    },
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
  return standIn;
}

/** A port of this machine that nobody listens on. */
export async function unusedPort(): Promise<number> {
  const standIn = await startPeerStandIn();
  await standIn.close();
  return standIn.port;
}
