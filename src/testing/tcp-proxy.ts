import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** A way to a server of 127.0.0.1 that can fail like a network. */
export interface TcpProxy {
  readonly port: number;
  /** Connections made through it so far. */
  readonly connections: number;
  /** From now on nothing passes in either direction, and nobody is told: connections stay open. */
  stall(): void;
  /** From now on the server's answers are lost, while it still hears what is sent to it. */
  muffle(): void;
  /** Lets new connections through again; those that were stalled stay so. */
  resume(): void;
  close(): Promise<void>;
}

/** Starts a proxy on a free port, or on this one. Close it when done. */
export async function startTcpProxy(targetPort: number, port = 0): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  const targets = new Set<Socket>();
  let stalled = false;
  let connections = 0;
  const server = createServer((client) => {
    connections += 1;
    keep(client);
    if (stalled) return;
    const target = keep(connect(targetPort, '127.0.0.1'));
    targets.add(target);
    client.pipe(target);
    target.pipe(client);
    client.once('close', () => target.destroy());
    target.once('close', () => client.destroy());
  });
  function keep(socket: Socket): Socket {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    // Either end may be reset, which the other end is told by its closing.
    socket.on('error', () => undefined);
    return socket;
  }
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    get connections() {
      return connections;
    },
    stall() {
      stalled = true;
      for (const socket of sockets) socket.unpipe().pause();
    },
    muffle() {
      for (const target of targets) target.unpipe().resume();
    },
    resume() {
      stalled = false;
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
