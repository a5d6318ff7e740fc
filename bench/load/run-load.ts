import { connect, type Socket } from 'node:net';
import { createAnswerReader } from './answer-reader.ts';
import { createLatencies } from './latencies.ts';
import type { LoadPlan, LoadResult } from './plan.ts';
import { createRequests } from './requests.ts';

/** Past the end of a run; a shop answers within 35 s whatever happens. */
const LAST_ANSWERS_MS = 40_000;
const PACE_TICK_MS = 1;

interface Client {
  readonly socket: Socket;
  /** When what it is waiting for was sent, or was to be sent; undefined while it is idle. */
  sentAt: number | undefined;
}

/** Puts one load on a server. Rejects at the first wrong answer, lost connection, or missing answer. */
export async function runLoad(plan: LoadPlan): Promise<LoadResult> {
  const requests = createRequests(plan.work, plan.url, `load-${process.pid}-${Date.now()}`);
  const latencies = createLatencies();
  const statuses: Record<string, number> = {};
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let isOver = false;
  let underWay = 0;
  /** Requests of a paced load whose time has come while every client was busy. */
  const waiting: number[] = [];
  const idle: Client[] = [];
  const most = plan.count ?? Number.POSITIVE_INFINITY;

  function send(client: Client, dueAt: number): void {
    client.sentAt = dueAt;
    underWay += 1;
    client.socket.write(requests.next() as string, 'latin1');
  }

  function onAnswer(client: Client, status: number, body: Buffer): void {
    const now = performance.now();
    const problem = requests.check(status, body);
    if (problem !== undefined) {
      reject(new Error(`a wrong answer: ${problem}`));
      return;
    }
    latencies.add(now - client.sentAt!);
    statuses[status] = (statuses[status] ?? 0) + 1;
    client.sentAt = undefined;
    underWay -= 1;
    isOver ||= now >= endsAt || latencies.count >= most;
    const dueAt = plan.pace === undefined ? (isOver ? undefined : now) : waiting.shift();
    if (dueAt !== undefined) {
      send(client, dueAt);
      return;
    }
    idle.push(client);
    if (isOver && underWay === 0) resolve();
  }

  const clients = await Promise.all(
    Array.from({ length: plan.clients }, async () => {
      const client: Client = { socket: await open(plan.url), sentAt: undefined };
      const read = createAnswerReader((status, body) => onAnswer(client, status, body));
      client.socket.on('data', (chunk: Buffer) => {
        try {
          read(chunk);
        } catch (error) {
          reject(error);
        }
      });
      client.socket.on('error', reject);
      client.socket.on('close', () => reject(new Error('the server closed a connection in mid-load')));
      return client;
    }),
  );
  const cpuBefore = process.cpuUsage();
  const startedAt = performance.now();
  const endsAt = startedAt + plan.seconds * 1_000;
  const givingUp = setTimeout(
    () => reject(new Error(`${underWay} requests without an answer ${LAST_ANSWERS_MS} ms after the load`)),
    plan.seconds * 1_000 + LAST_ANSWERS_MS,
  );
  const pacing = plan.pace === undefined ? undefined : startPacing(plan.pace);
  if (pacing === undefined) for (const client of clients) send(client, performance.now());
  else idle.push(...clients);

  function startPacing(perSecond: number): NodeJS.Timeout {
    let released = 0;
    return setInterval(() => {
      const now = performance.now();
      const due = Math.floor((Math.min(now, endsAt) - startedAt) * (perSecond / 1_000));
      for (; released < due; released += 1) {
        const client = idle.pop();
        if (client === undefined) waiting.push(now);
        else send(client, now);
      }
      if (now < endsAt) return;
      isOver = true;
      if (underWay === 0) resolve();
    }, PACE_TICK_MS);
  }

  try {
    await promise;
  } finally {
    clearTimeout(givingUp);
    clearInterval(pacing);
    for (const { socket } of clients) socket.removeAllListeners('close').destroy();
  }
  const tookMs = performance.now() - startedAt;
  const cpu = process.cpuUsage(cpuBefore);
  return {
    count: latencies.count,
    rate: latencies.count / (tookMs / 1_000),
    ...latencies.summary(),
    statuses,
    cpuSeconds: (cpu.user + cpu.system) / 1e6,
  };
}

async function open(url: string): Promise<Socket> {
  const { hostname, port } = new URL(url);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const socket = connect({ host: hostname, port: Number(port), noDelay: true });
  socket.once('connect', resolve);
  socket.once('error', reject);
  await promise;
  socket.removeListener('error', reject);
  return socket;
}
