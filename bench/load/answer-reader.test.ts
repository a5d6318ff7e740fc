import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createAnswerReader } from './answer-reader.ts';

function readAll(pieces: readonly Buffer[]) {
  const answers: { status: number; body: string }[] = [];
  const read = createAnswerReader((status, body) => answers.push({ status, body: body.toString() }));
  for (const piece of pieces) read(piece);
  return answers;
}

const answers = [
  { text: 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello', status: 200, body: 'hello' },
  { text: 'HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n', status: 404, body: '' },
  { text: 'HTTP/1.1 204 No Content\r\ndate: today\r\n\r\n', status: 204, body: '' },
  {
    text: 'HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
    status: 201,
    body: '5\r\nhello\r\n0\r\n\r\n',
  },
  {
    text: 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
    status: 200,
    body: '0\r\n\r\n',
  },
];

test('answers are read one after another, however they are cut into pieces', () => {
  const chosen = fc.array(fc.tuple(fc.constantFrom(...answers), fc.array(fc.nat({ max: 120 }))), {
    minLength: 1,
    maxLength: 5,
  });
  fc.assert(
    fc.property(chosen, (list) => {
      const pieces = list.flatMap(([{ text }, cuts]) => {
        const places = [...new Set([0, ...cuts.filter((cut) => cut < text.length), text.length])].sort(
          (a, b) => a - b,
        );
        return places.slice(1).map((end, index) => Buffer.from(text.slice(places[index], end)));
      });
      expect(readAll(pieces)).toEqual(list.map(([{ status, body }]) => ({ status, body })));
    }),
  );
});

test('more than was asked for, an answer without a length, and what is no HTTP are refused', () => {
  const first = answers[0]!.text;
  expect(() => readAll([Buffer.from(first + first)])).toThrow('nobody asked for');
  expect(() => readAll([Buffer.from('HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n')])).toThrow(
    'without a length',
  );
  expect(() => readAll([Buffer.from('SSH-2.0-OpenSSH\r\n\r\n')])).toThrow('no HTTP');
});
