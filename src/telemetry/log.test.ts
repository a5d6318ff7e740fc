import { describe, expect, it } from 'vitest';
import { runInContext } from '../context.ts';
import { createLogger } from './log.ts';

function capture(write: (log: ReturnType<typeof createLogger>) => void): string {
  const lines: string[] = [];
  const destination = { write: (line: string) => void lines.push(line) };
  write(createLogger({ level: 'info', pretty: false, destination }));
  return lines.join('');
}

describe('log', () => {
  it('redacts secrets and personal data, also inside objects', () => {
    const text = capture((log) => {
      log.info({ password: 'hunter22', user: { email: 'a@b.c', nested: { token: 'tok_ok' } } }, 'login');
      log.info({ body: { shippingAddress: { line1: 'Elm Street' } } }, 'order');
    });
    for (const secret of ['hunter22', 'a@b.c', 'tok_ok', 'Elm Street']) expect(text).not.toContain(secret);
    expect(text).toContain('[redacted]');
  });

  it('names the request and the trace it belongs to', () => {
    const text = capture((log) =>
      runInContext({ requestId: 'r1', traceId: 't1', spanId: 's1' }, () => log.info('hello')),
    );
    expect(JSON.parse(text)).toMatchObject({ level: 'info', requestId: 'r1', traceId: 't1', msg: 'hello' });
  });
});
