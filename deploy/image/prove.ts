// npm run prove:image: builds deploy/Dockerfile from a bare Debian, and sees that what comes out is what it promises.
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { pickPorts } from '../../src/commands/pick-ports.ts';
import { print } from '../../src/commands/terminal.ts';
import { WORKER_STOP_TIMEOUT_MS } from '../../src/limits.ts';
import { makeBase } from './base.ts';
import { contentProblems } from './contents.ts';
import { createEngine, type Engine } from './engine.ts';
import { buySomething, statusOf } from './purchase.ts';

const project = join(import.meta.dirname, '../..');
const dockerfile = join(project, 'deploy/Dockerfile');
const IMAGE = 'localhost/banyan:proof';
const START_MS = 60_000;
const ADMIN = { email: 'admin@example.com', password: 'correct horse battery' };

const program = new Command('prove-image')
  .description('builds the image from a bare Debian, runs it as Compose does, and buys something from it')
  .option('--base <folder>', 'keeps the bare Debian for the next time', join(tmpdir(), 'banyan-image-base'))
  .addHelpText('after', '\nNeeds root, the network, and from Debian: debootstrap, podman, runc.')
  .action(async ({ base }: { base: string }) => {
    const engine = createEngine();
    try {
      await prove(engine, base);
    } finally {
      await engine.close();
    }
  });
await program.parseAsync();

async function prove(engine: Engine, folder: string): Promise<void> {
  // The pinned Node runs this, so an image of another Node is found out here.
  const tag = new RegExp(`^FROM (node:${process.versions.node}-(\\w+)-slim)$`, 'm');
  const [, name, suite] = tag.exec(readFileSync(dockerfile, 'utf8')) ?? [];
  if (name === undefined || suite === undefined)
    throw new Error(`no stage of the Dockerfile is ${tag.source}`);
  const baseName = `docker.io/library/${name}`;
  await step('a bare Debian with Node, in place of the base', async () => {
    await engine.importBase(await makeBase(suite, folder), baseName);
  });
  await step('every instruction', () => engine.build({ dockerfile, context: project, name: IMAGE }));
  await step('what is in it', async () => {
    const { version } = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8'));
    const image = await engine.inspect(IMAGE);
    expectSame(image.user, '1000:1000', 'its user');
    expectSame(image.labels['org.opencontainers.image.version'], version, 'its version');
    expectSame(await contentProblems(await engine.mount(IMAGE), project), [], 'problems');
    const ownBytes = image.sizeBytes - (await engine.inspect(baseName)).sizeBytes;
    return `${(ownBytes / 1e6).toFixed(0)} MB on top of its base`;
  });
  await step('trade, with its root read-only and no capabilities', () => trade(engine));
}

async function trade(engine: Engine): Promise<string> {
  const [port, opsPort] = [await pickPorts(1), await pickPorts(1)];
  const url = `http://127.0.0.1:${port}`;
  const env = {
    HOST: '127.0.0.1',
    PORT: String(port),
    OPS_PORT: String(opsPort),
    ADMIN_EMAIL: ADMIN.email,
    ADMIN_PASSWORD: ADMIN.password,
  };
  const start = async () => {
    const shop = await engine.start({ image: IMAGE, env, data: 'shop' });
    const endsAt = performance.now() + START_MS;
    while ((await shop.checkHealth()) !== 0)
      if (performance.now() > endsAt) throw new Error(`it is not healthy: ${await shop.logs()}`);
    const answer = await fetch(`${url}/readyz`);
    expectSame(answer.status, 200, 'the answer of /readyz');
    return shop;
  };

  const shop = await start();
  expectSame((await shop.exec('cat', '/proc/1/comm')).out.trim(), 'tini', 'process 1');
  expectSame((await shop.exec('id', '-u')).out.trim(), '1000', 'its user');
  const status = (await shop.exec('cat', '/proc/1/status')).out;
  expectSame(
    /^CapBnd:\s*0+$/m.test(status) && /^NoNewPrivs:\s*1$/m.test(status),
    true,
    'that it is confined',
  );
  for (const place of ['/app', '/etc', '/home/node', '/var/tmp']) {
    const { code, err } = await shop.exec('touch', `${place}/x`);
    expectSame(code !== 0 && err.includes('Read-only'), true, `that ${place} is read-only`);
  }
  const order = await buySomething(url, ADMIN);
  expectSame((await shop.exec('banyan', 'audit')).code, 0, 'the exit code of an audit in it');
  const stoppedAt = performance.now();
  await shop.signal('SIGTERM');
  expectSame(await shop.ended(WORKER_STOP_TIMEOUT_MS), 0, 'the exit code after SIGTERM');
  const stopMs = performance.now() - stoppedAt;

  const again = await start();
  expectSame(await statusOf(url, ADMIN, order), 'paid', 'the order, in a new container');
  await again.signal('SIGTERM');
  expectSame(await again.ended(WORKER_STOP_TIMEOUT_MS), 0, 'the exit code after SIGTERM');

  // At once, before Node listens for it: the kernel keeps such a signal from a process 1 without an init.
  const early = await engine.start({ image: IMAGE, env, data: 'early' });
  await early.signal('SIGTERM');
  expectSame(
    (await early.ended(WORKER_STOP_TIMEOUT_MS)) !== undefined,
    true,
    'that an early SIGTERM ends it',
  );

  const idle = await engine.start({ image: IMAGE, entrypoint: 'sleep', command: ['60'], env, data: 'shop' });
  expectSame(await idle.checkHealth(), 1, 'the health of a container without a shop');
  return `stopped in ${(stopMs / 1_000).toFixed(1)} s`;
}

async function step(what: string, work: () => Promise<unknown>): Promise<void> {
  const startedMs = performance.now();
  const note = await work();
  const seconds = Math.round((performance.now() - startedMs) / 1_000);
  print(`${what}: ${typeof note === 'string' ? `${note}, ` : ''}${seconds} s`);
}

/** Compares as JSON. */
function expectSame(actual: unknown, wanted: unknown, what: string): void {
  const [is, should] = [JSON.stringify(actual), JSON.stringify(wanted)];
  if (is !== should) throw new Error(`${what}: ${is} instead of ${should}`);
}
