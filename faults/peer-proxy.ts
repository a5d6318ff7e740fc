import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/**
 * What the way to a peer does: lets all pass; refuses connections, as where nobody listens; resets those that are open
 * and those that come; or cuts connections, some or all, when the answer to a request begins to come back: the peer
 * has done its work by then.
 */
export type Manner = 'pass' | 'refuse' | 'reset' | 'lose some answers' | 'lose answers';

/** A way to the operations port of a process of 127.0.0.1, for the other processes of its shop. */
export interface PeerProxy {
  readonly port: number;
  /** Answers lost so far. */
  readonly lost: number;
  /** Connections reset so far. */
  readonly resets: number;
  behave(manner: Manner): Promise<void>;
  close(): Promise<void>;
}

/** Of the answers of `lose some answers`. */
const LOST_SHARE = 0.5;

/** Listens on a free port. `random` decides which answers are lost. */
export async function startPeerProxy(targetPort: number, random: () => number): Promise<PeerProxy> {
  const clients = new Set<Socket>();
  let manner: Manner = 'pass';
  let lost = 0;
  let resets = 0;

  function reset(client: Socket): void {
    resets += 1;
    client.resetAndDestroy();
  }

  function losesAnswer(): boolean {
    return manner === 'lose answers' || (manner === 'lose some answers' && random() < LOST_SHARE);
  }

  function onClient(client: Socket): void {
    // Either end may be reset, which the other end is told by its closing.
    client.on('error', () => undefined);
    if (manner === 'reset') {
      reset(client);
      return;
    }
    clients.add(client);
    const target = connect(targetPort, '127.0.0.1');
    target.on('error', () => undefined);
    client.pipe(target);
    target.on('data', (answer: Buffer) => {
      if (losesAnswer()) {
        lost += 1;
        client.destroy();
      } else if (!client.write(answer)) {
        target.pause();
        client.once('drain', () => target.resume());
      }
    });
    client.once('close', () => {
      clients.delete(client);
      target.destroy();
    });
    target.once('close', (isBroken) => (isBroken ? client.resetAndDestroy() : client.end()));
  }

  async function listen(port: number): Promise<Server> {
    const listening = createServer(onClient).listen(port, '127.0.0.1');
    await once(listening, 'listening');
    return listening;
  }

  async function stopListening(listening: Server): Promise<void> {
    listening.close();
    for (const client of clients) client.destroy();
    await once(listening, 'close');
  }

  let server: Server | undefined = await listen(0);
  const { port } = server.address() as AddressInfo;
  return {
    port,
    get lost() {
      return lost;
    },
    get resets() {
      return resets;
    },
    async behave(next) {
      manner = next;
      if (manner === 'reset') for (const client of clients) reset(client);
      if (manner === 'refuse' && server !== undefined) {
        const closing = server;
        server = undefined;
        await stopListening(closing);
      } else if (manner !== 'refuse') {
        server ??= await listen(port);
      }
    },
    async close() {
      if (server !== undefined) await stopListening(server);
    },
  };
}
