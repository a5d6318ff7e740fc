import { Writable } from 'node:stream';
import { expect, test } from 'vitest';
import { createProgress } from './progress.ts';
import { formatMoney, formatTable } from './terminal.ts';

/** A stream that keeps what was written, and a clock that moves by hand. */
function createScreen(isTTY: boolean) {
  let text = '';
  let nowMs = 0;
  const stream = new Writable({
    write(chunk, _encoding, done) {
      text += String(chunk);
      done();
    },
  });
  return {
    progress: createProgress({
      label: 'replay',
      unit: 'orders',
      stream: Object.assign(stream, { isTTY, columns: 80 }),
      nowMs: () => nowMs,
    }),
    pass: (ms: number) => {
      nowMs += ms;
    },
    text: () => text,
  };
}

test('without a terminal it writes a plain line for every tenth of the way', () => {
  const screen = createScreen(false);
  for (let done = 0; done <= 2000; done += 1) {
    screen.progress.update(done, 2000);
    screen.pass(1);
  }
  screen.progress.finish();
  const lines = screen.text().trimEnd().split('\n');
  expect(lines).toHaveLength(11);
  expect(lines[0]).toBe('replay: 0/2,000 orders');
  expect(lines[5]).toBe('replay: 1,000/2,000 orders, 1,000/s');
  expect(lines[10]).toBe('replay: 2,000/2,000 orders, 1,000/s');
  expect(screen.text()).not.toContain('\r');
});

test('work that ends early says how far it came', () => {
  const screen = createScreen(false);
  screen.pass(1000);
  screen.progress.update(30, 1000);
  screen.progress.update(35, 1000);
  screen.progress.finish();
  expect(screen.text()).toBe('replay: 30/1,000 orders, 30/s\nreplay: 35/1,000 orders, 35/s\n');
});

test('on a terminal it redraws one line, not more often than can be seen', () => {
  const screen = createScreen(true);
  for (let done = 1; done <= 50; done += 1) {
    screen.pass(10);
    screen.progress.update(done, 100);
  }
  screen.progress.finish();
  const draws = screen.text().split('\r').slice(1);
  expect(draws).toHaveLength(6);
  expect(draws.at(-1)).toBe(`replay ${'█'.repeat(14)}${'░'.repeat(14)} 50% 50/100 orders, 100/s\u001b[K\n`);
});

test('money is written in the decimals of its currency', () => {
  expect(formatMoney(78_907_078, 'GBP')).toBe('GBP 789,070.78');
  expect(formatMoney(1234, 'JPY')).toBe('JPY 1,234');
});

test('a table is as wide as its cells', () => {
  expect(formatTable(['a', 'long'], [['wide', 'b']])).toBe('a     long\nwide  b');
});
