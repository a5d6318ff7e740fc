import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTcpProxy, type TcpProxy } from '../testing/tcp-proxy.ts';
import { createTestDatabase, type TestDatabase } from '../testing/test-database.ts';
import { openPostgres, type PostgresEngine } from './postgres.ts';
import { DEADLINES } from './postgres-deadlines.ts';

let made: TestDatabase;
let direct: PostgresEngine;
beforeAll(async () => {
  made = await createTestDatabase();
  direct = openPostgres({ url: made.url, prepare: true, applicationName: 'banyan test' }, 2);
  await direct.database('public').rows(sql`create table kept (n integer)`);
});
afterAll(async () => {
  await direct.close();
  await made.drop();
});

const impatient = { ...DEADLINES, connectMs: 300, queryMs: 300, rollbackMs: 100 };

/** An engine that reaches the test's database at this port of 127.0.0.1. */
function openAt(port: number, query = ''): PostgresEngine {
  const url = new URL(made.url);
  url.port = String(port);
  url.search = query;
  return openPostgres({ url: url.href, prepare: true, applicationName: 'banyan test' }, 2, impatient);
}

const unavailable = { kind: 'unavailable', code: 'database_unavailable' };

describe('a server that fails while it greets', () => {
  const error = (severity: string, code: string) => {
    const fields = Buffer.from(`S${severity}\0V${severity}\0C${code}\0Mnot now\0\0`);
    return Buffer.concat([Buffer.from('E'), int32(fields.length + 4), fields]);
  };
  const answers: Record<string, (socket: Socket) => void> = {
    'hangs up at once': (socket) => socket.destroy(),
    'resets the connection': (socket) => socket.resetAndDestroy(),
    'hangs up on the first message': (socket) => socket.once('data', () => socket.end()),
    'never answers': () => undefined,
    'hangs up in the middle of authentication': (socket) =>
      socket.once('data', () => socket.end(Buffer.concat([Buffer.from('R'), int32(23), saslRequest()]))),
    'falls silent in the middle of authentication': (socket) =>
      socket.once('data', () => socket.write(Buffer.concat([Buffer.from('R'), int32(23), saslRequest()]))),
    'asks for a proof that makes no sense': (socket) => {
      socket.once('data', () => {
        socket.write(Buffer.concat([Buffer.from('R'), int32(23), saslRequest()]));
        socket.once('data', () =>
          socket.write(Buffer.concat([Buffer.from('R'), int32(9), int32(11), Buffer.from('x')])),
        );
      });
    },
    'is still starting': (socket) => socket.once('data', () => socket.end(error('FATAL', '57P03'))),
    'has too many connections, and lingers': (socket) =>
      socket.once('data', () => socket.write(error('FATAL', '53300'))),
  };

  for (const [name, answer] of Object.entries(answers)) {
    for (const tls of ['', '?sslmode=require']) {
      it(`is unavailable when it ${name}${tls && ', over TLS'}`, async () => {
        const server = await listen(answer);
        const engine = openAt(server.port, tls);
        const database = engine.database('public');
        const all = await Promise.allSettled([
          database.rows(sql`select 1`),
          database.transaction((tx) => tx.rows(sql`select 1`)),
          engine.check(),
        ]);
        for (const each of all) expect(each).toMatchObject({ status: 'rejected', reason: unavailable });
        expect(engine.poolState()).toMatchObject({ max: 2, busy: 0, idle: 0, waiting: 0 });
        // The driver by itself would dial again, for as long as it takes.
        expect(server.connections).toBe(all.length);
        await engine.close();
        await server.close();
      });
    }
  }

  it('is unavailable when there is none', async () => {
    const server = await listen(() => undefined);
    await server.close();
    const engine = openAt(server.port);
    await expect(engine.check()).rejects.toMatchObject(unavailable);
    await engine.close();
  });
});

describe('a network that falls silent', () => {
  async function withProxy(work: (proxy: TcpProxy, engine: PostgresEngine) => Promise<void>) {
    const proxy = await startTcpProxy(Number(new URL(made.url).port));
    const engine = openAt(proxy.port);
    try {
      await work(proxy, engine);
    } finally {
      await engine.close();
      await proxy.close();
    }
  }

  it('ends a statement by our deadline, and the next one dials anew', async () => {
    await withProxy(async (proxy, engine) => {
      const database = engine.database('public');
      expect(await database.rows(sql`select 1 as n`)).toEqual([{ n: 1 }]);
      proxy.stall();
      await expect(database.rows(sql`select 1`)).rejects.toMatchObject(unavailable);
      proxy.resume();
      expect(await database.rows(sql`select 1 as n`)).toEqual([{ n: 1 }]);
      expect(proxy.connections).toBe(2);
    });
  });

  it('costs only those a deadline who were using a connection, not those who come next', async () => {
    await withProxy(async (proxy, engine) => {
      const database = engine.database('public');
      const gate = Promise.withResolvers<void>();
      const both = [1, 2].map(() => database.transaction(() => gate.promise));
      await expect.poll(() => proxy.connections).toBe(2);
      gate.resolve();
      await Promise.all(both);
      expect(engine.poolState().idle).toBe(2);
      proxy.stall();
      await expect(database.rows(sql`select 1`)).rejects.toMatchObject(unavailable);
      expect(engine.poolState().idle).toBe(0);
      proxy.resume();
      expect(await database.rows(sql`select 1 as n`)).toEqual([{ n: 1 }]);
    });
  });

  it('ends a transaction between its statements and in its commit, and gives the connection back', async () => {
    await withProxy(async (proxy, engine) => {
      const database = engine.database('public');
      const between = database.transaction(async (tx) => {
        await tx.rows(sql`insert into kept values (1)`);
        proxy.stall();
        await tx.rows(sql`insert into kept values (2)`);
      });
      await expect(between).rejects.toMatchObject(unavailable);
      proxy.resume();
      const committing = database.transaction(async (tx) => {
        await tx.rows(sql`insert into kept values (3)`);
        proxy.stall();
      });
      await expect(committing).rejects.toMatchObject(unavailable);
      expect(engine.poolState()).toMatchObject({ max: 2, busy: 0, idle: 0, waiting: 0 });
    });
    await expect.poll(() => direct.database('public').rows(sql`select n from kept`)).toEqual([]);
  });

  it('does not keep a closing engine', async () => {
    await withProxy(async (proxy, engine) => {
      await engine.check();
      proxy.stall();
      await engine.close();
      expect(engine.poolState()).toMatchObject({ max: 2, busy: 0, idle: 0, waiting: 0 });
    });
  });
});

describe('an answer that is lost', () => {
  it('leaves a commit unknown, and tells so, though it was done', async () => {
    const proxy = await startTcpProxy(Number(new URL(made.url).port));
    const engine = openAt(proxy.port);
    const committing = engine.database('public').transaction(async (tx) => {
      await tx.rows(sql`insert into kept values (4)`);
      proxy.muffle();
    });
    await expect(committing).rejects.toMatchObject(unavailable);
    expect(await direct.database('public').rows(sql`select n from kept`)).toEqual([{ n: 4 }]);
    await engine.close();
    await proxy.close();
  });
});

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

/** "Log in by SCRAM-SHA-256", without the message's head. */
function saslRequest(): Buffer {
  return Buffer.concat([int32(10), Buffer.from('SCRAM-SHA-256\0\0')]);
}

async function listen(answer: (socket: Socket) => void) {
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = createServer((socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on('error', () => undefined);
    answer(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    get connections() {
      return connections;
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
