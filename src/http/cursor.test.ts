import { describe, expect, it } from 'vitest';
import { createCursors } from './cursor.ts';

describe('a cursor', () => {
  const cursors = createCursors('secret');
  const position = ['2026-11-01T00:00:00.000Z', 7, null, true];

  it('opens to the position it was sealed with', () => {
    expect(cursors.open('orders?status=paid', cursors.seal('orders?status=paid', position))).toEqual(
      position,
    );
  });

  it.each([
    ['for another list', cursors.seal('orders', position)],
    ['sealed elsewhere', createCursors('other').seal('list', position)],
    ['with another position', `${btoa('[1]')}.${cursors.seal('list', position).split('.')[1]}`],
    ['without a seal', cursors.seal('list', position).split('.')[0] ?? ''],
    ['with an empty seal', `${cursors.seal('list', position).split('.')[0]}.`],
    ['with more behind it', `${cursors.seal('list', position)}.x`],
    ['with padding behind it', `${cursors.seal('list', position)}=`],
    ['that is nothing', ''],
    ['that is no cursor', 'x.y.z'],
  ])('%s is refused with invalid_cursor', (_name, cursor) => {
    expect(() => cursors.open('list', cursor)).toThrow(
      expect.objectContaining({ kind: 'invalid', code: 'invalid_cursor' }),
    );
  });
});
