import { spawnSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { noteIds, runInContext } from '../context.ts';
import { AppError } from '../errors.ts';
import { createLogger, setLogLevel } from './log.ts';

function capture(write: (log: ReturnType<typeof createLogger>) => void): string {
  const lines: string[] = [];
  const destination = { write: (line: string) => void lines.push(line) };
  write(createLogger({ level: 'info', destination }));
  return lines.join('');
}

describe('log', () => {
  it('redacts secrets and personal data, also inside objects', () => {
    const text = capture((log) => {
      log.info({ password: 'hunter22', user: { email: 'a@b.c', nested: { token: 'tok_ok' } } }, 'login');
      log.info({ body: { shippingAddress: { line1: 'Elm Street' } } }, 'order');
      log.info({ list: [{ deep: [{ 'Set-Cookie': 'monster', webhookSecret: 'hush' }] }] }, 'deep');
    });
    for (const secret of ['hunter22', 'a@b.c', 'tok_ok', 'Elm Street', 'monster', 'hush'])
      expect(text).not.toContain(secret);
    expect(text.match(/\[redacted\]/g)).toHaveLength(6);
  });

  it('redacts what a text gives away, in messages, errors and their causes', () => {
    const driver = Object.assign(new Error('duplicate key'), {
      detail: 'Key (email)=(ann@example.com) already exists.',
      parameters: ['Elm Street'],
    });
    const token = `eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIxIn0.c2ln`;
    const text = capture((log) => {
      log.warn({ err: new AppError('conflict', 'email_taken', 'taken', { cause: driver }) }, 'refused');
      log.warn({ err: new Error(`bad ${token}`) }, 'sent Bearer abc.def to ann@example.com');
      log.error(new Error('connect to postgres://shop:hunter22@db:5432/shop'));
    });
    for (const secret of ['ann@example.com', 'Elm Street', token, 'abc.def', 'hunter22'])
      expect(text).not.toContain(secret);
    const [refused, , connect] = text.trim().split('\n');
    expect(JSON.parse(refused!).err).toMatchObject({ type: 'AppError', code: 'email_taken' });
    expect(JSON.parse(connect!).err.message).toBe('connect to postgres://[redacted]@db:5432/shop');
  });

  it.each([
    ['GET /users?email=ann%40example.com&x=1', 'GET /users?email=[redacted]&x=1'],
    ['no mail to jörg@exämple.com', 'no mail to [redacted]'],
    ['?password=hunter22&limit=5', '?password=[redacted]&limit=5'],
    ['{"refreshToken":"abc","limit":5}', '{"refreshToken":"[redacted]","limit":5}'],
    ['Authorization: Basic YTpi', 'Authorization: [redacted]'],
  ])('redacts what stands in %s', (text, told) => {
    expect(JSON.parse(capture((log) => log.info({ text, [text]: 1 }, text)))).toMatchObject({
      text: told,
      [told]: 1,
      msg: told,
    });
  });

  it.each(['eyJh.e30.c2ln', 'EYJh.e30.c2ln', 'tok_ok', 'bearer\tabc', 'a@b', 'a%40b'])(
    'redacts %j where nothing stands around it',
    (secret) => {
      expect(JSON.parse(capture((log) => log.info({ text: secret, list: [secret] }, secret)))).toMatchObject({
        text: '[redacted]',
        list: ['[redacted]'],
        msg: '[redacted]',
      });
    },
  );

  it('judges a member by its name each time it comes', () => {
    const text = capture((log) => {
      for (let i = 0; i < 2_000; i += 1) log.info({ apiKey: 'hush', [`name${i}`]: 'shown', email: 'hush' });
    });
    expect(text).not.toContain('hush');
    expect(text.match(/shown/g)).toHaveLength(2_000);
  });

  it('leaves alone what only looks like a secret', () => {
    const text = capture((log) =>
      log.info({ ids: ['01936f2e'], at: '10:00', url: 'http://db:9090/x' }, 'a @ b: password: too short'),
    );
    expect(JSON.parse(text)).toMatchObject({
      ids: ['01936f2e'],
      url: 'http://db:9090/x',
      msg: 'a @ b: password: too short',
    });
  });

  it('survives what refers to itself, and cuts what has no end', () => {
    const loop: Record<string, unknown> = { text: 'x'.repeat(100_000) };
    loop.self = loop;
    const text = capture((log) => log.info({ loop }, 'odd'));
    expect(text).toContain('[cut]');
    expect(text.length).toBeLessThan(200_000);
    const each = new Array(100) as unknown[];
    each.fill(each);
    expect(capture((log) => log.info({ each }, 'odder')).length).toBeLessThan(200_000);
  });

  it('names the request, its trace, and the event and order that it is about once they are known', () => {
    const text = capture((log) =>
      runInContext({ requestId: 'r1', traceId: 't1', spanId: 's1' }, () => {
        log.info('before');
        runInContext({ requestId: 'r2', traceId: 't1', spanId: 's2', ids: { eventId: 'e2' } }, () =>
          log.info('another'),
        );
        noteIds({ orderId: 'o1' });
        log.info('after');
      }),
    );
    const [before, another, after] = text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(before).toMatchObject({ level: 'info', requestId: 'r1', traceId: 't1', msg: 'before' });
    expect(before).not.toHaveProperty('orderId');
    expect(another).toMatchObject({ requestId: 'r2', eventId: 'e2' });
    expect(another).not.toHaveProperty('orderId');
    expect(after).toMatchObject({ requestId: 'r1', orderId: 'o1' });
  });

  it.each([
    ['ends by itself', '', 0],
    ['is ended', 'process.exit(3)', 3],
    ['dies of a bug', 'throw new Error()', 1],
  ])('has the last lines of a process that %s', (_, end, code) => {
    const program = `
      const { createLogger } = await import(${JSON.stringify(new URL('log.ts', import.meta.url))});
      createLogger({ level: 'info' }).info('the last words');
      ${end}`;
    const { stdout, status } = spawnSync(process.execPath, ['--input-type=module', '--eval', program], {
      encoding: 'utf8',
    });
    expect(status).toBe(code);
    expect(stdout).toContain('the last words');
  });

  it('goes on where standard output takes nothing, as on a full disk', () => {
    const program = `
      const { createLogger } = await import(${JSON.stringify(new URL('log.ts', import.meta.url))});
      const log = createLogger({ level: 'info' });
      for (let i = 0; i < 3; i += 1) log.warn('nowhere to go');
      await new Promise((resolve) => setTimeout(resolve, 10));
      console.error('still here');`;
    const full = openSync('/dev/full', 'w');
    const { stderr, status } = spawnSync(process.execPath, ['--input-type=module', '--eval', program], {
      encoding: 'utf8',
      stdio: ['ignore', full, 'pipe'],
    });
    closeSync(full);
    expect(stderr).toBe('still here\n');
    expect(status).toBe(0);
  });

  it('changes its level for all that was made from it', () => {
    const text = capture((log) => {
      const grandchild = log.child({ module: 'order' }).child({ part: 'saga' });
      grandchild.debug('hidden');
      setLogLevel(log, 'debug');
      grandchild.debug('shown');
      setLogLevel(log, 'error');
      grandchild.warn('hidden again');
    });
    expect(
      text
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).msg),
    ).toEqual(['shown']);
  });
});
