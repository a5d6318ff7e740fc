import { createApiClient } from '../src/commands/api-client.ts';
import { registerAndSignIn, type Session } from '../src/commands/session.ts';
import { sleep } from '../src/deadline.ts';
import { type Fault, pickNumber } from './fault.ts';
import { checkRetried } from './retried.ts';
import type { ShopProcess } from './shop-process.ts';
import { underLoad } from './under-load.ts';

const PATIENCE_MS = 60_000;
const PROBE_MS = 20;
/** From the signal until new clients are sent away. */
const TURNED_AWAY_MS = 1_000;
/** A charge at a silent provider keeps its request under way for seconds. */
const UNDER_WAY_MS = 300;

/** Replaces the http processes one after another, as a deployment does: whoever tries once more notices nothing. */
export const fault: Fault = {
  number: 13,
  name: 'rolling-stop',
  anyPlacement: true,
  run(context) {
    const { short, random } = context;
    const stops = short ? 5 : 20;
    return underLoad(context, {
      cluster: { http: short ? 2 : 3, workers: 1 },
      placed: { replicas: ({ roles }) => (roles.includes('http') ? 2 : 1) },
      load: { ordersPerSecond: short ? 40 : 30, plain: true },
      async inject({ cluster, load }, say) {
        const session = await signInBuyer(cluster.http[0]!.url);
        const problems: string[] = [];
        const before = load.attempts.length;
        for (let stop = 1; stop <= stops; stop += 1) {
          const victim = cluster.http[stop % cluster.http.length]!;
          say(`stop ${stop} of ${stops}, ${victim.name}`);
          problems.push(...(await replaceAmidRequest(victim, session, `rolling-${stop}`)));
          await victim.ready();
          await sleep(pickNumber(random, 200, 1_500));
        }
        const retried = checkRetried(load.attempts.slice(before));
        return { injected: stops, problems: [...problems, ...retried.problems], notes: retried.notes };
      },
    });
  },
};

async function signInBuyer(url: string): Promise<Session> {
  const buyer = {
    username: 'patient-buyer',
    email: 'patient-buyer@example.com',
    password: 'waits for a long time',
  };
  return await registerAndSignIn(createApiClient(url, PATIENCE_MS), buyer);
}

/** Stops the process while it answers a slow request, which must get its answer, and looks how it treats new ones. */
async function replaceAmidRequest(victim: ShopProcess, session: Session, key: string): Promise<string[]> {
  const problems: string[] = [];
  const underWay = createApiClient(victim.url, 0)
    .request('POST', '/orders', {
      token: await session.token(),
      headers: { 'idempotency-key': key },
      json: {
        items: [{ sku: 'PLENTY-1', quantity: 1 }],
        currency: 'GBP',
        payment: { method: 'card', token: 'tok_timeout' },
        shippingAddress: { line1: key },
      },
    })
    .then(
      ({ status }) => (status === 201 || status === 202 ? undefined : `was answered ${status}`),
      (error: unknown) => `got no answer: ${String(error)}`,
    );
  await sleep(UNDER_WAY_MS);
  let isGone = false;
  const startedMs = performance.now();
  const ending = victim.replace().finally(() => {
    isGone = true;
  });
  let isTurnedAway = false;
  while (!isGone && !isTurnedAway && performance.now() - startedMs < TURNED_AWAY_MS) {
    await sleep(PROBE_MS);
    isTurnedAway = !(await answersNewClients(victim.url));
  }
  if (!isGone && !isTurnedAway)
    problems.push(`${victim.name} still took new clients ${TURNED_AWAY_MS} ms after SIGTERM`);
  const failure = await underWay;
  if (failure !== undefined) problems.push(`a request under way at ${victim.name} ${failure}`);
  await ending;
  return problems;
}

/** By a connection of its own, as of a client that comes now. */
async function answersNewClients(url: string): Promise<boolean> {
  try {
    const answer = await fetch(`${url}/readyz`, { headers: { connection: 'close' } });
    await answer.arrayBuffer();
    return answer.status === 200;
  } catch {
    return false;
  }
}
