import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseJson } from './json.ts';

const parse = (text: string) => parseJson(Buffer.from(text));

describe('parseJson', () => {
  it('reads any JSON as JSON.parse does', () => {
    const tame = fc.json({ maxDepth: 8 }).filter((text) => !/__proto__|\\u|\\\\u/.test(text));
    fc.assert(
      fc.property(tame, (text) => {
        // fast-check may write a name twice; then JSON.parse and we differ on purpose.
        const once = JSON.stringify(JSON.parse(text));
        expect(parse(once)).toEqual(JSON.parse(once));
      }),
    );
  });

  it.each([
    ['a string like a name', '["a","a",{"a":"a"},{"a":["a"]}]'],
    ['brackets and quotes in strings', '{"a":"{[\\"}]","b\\\\":"\\\\"}'],
    ['numbers in every form', '[-0,1e3,-1.5E-3,1E+308]'],
    ['space everywhere', ' { "a" :\n[ 1 ,\t2 ] } '],
    ['a pair of surrogates', '"\\ud83d\\ude00"'],
    ['depth up to the limit', '['.repeat(32) + ']'.repeat(32)],
  ])('lets %s pass', (_name, text) => {
    expect(parse(text)).toEqual(JSON.parse(text));
  });

  it.each([
    ['a name given twice', '{"a":1,"a":2}'],
    ['a name given twice in disguise', '{"a":1,"\\u0061":2}'],
    ['a name given twice deep down', '[{"b":{"a":1, "a" : 2}}]'],
    ['__proto__', '{"__proto__":{}}'],
    ['__proto__ in disguise', '{"x":{"\\u005f_proto__":{}}}'],
    ['depth past the limit', '['.repeat(33) + ']'.repeat(33)],
    ['depth past the limit of any stack', '['.repeat(500_000) + ']'.repeat(500_000)],
    ['a number past the range of a double', '[1e309]'],
    ['a negative number past it', '{"a":-1e999}'],
    ['NUL', '"a\\u0000b"'],
    ['half a surrogate pair', '"\\ud83d"'],
    ['half a surrogate pair in a name', '{"\\ude00":1}'],
    ['NaN', 'NaN'],
    ['Infinity', '[Infinity]'],
    ['a comment', '{} // x'],
    ['a comma too many', '[1,]'],
    ['nothing', ''],
  ])('refuses %s with invalid_request', (_name, text) => {
    expect(() => parse(text)).toThrow(expect.objectContaining({ kind: 'invalid', code: 'invalid_request' }));
  });

  it('refuses bytes that are not UTF-8', () => {
    expect(() => parseJson(new Uint8Array([0x22, 0xc3, 0x28, 0x22]))).toThrow(
      expect.objectContaining({ code: 'invalid_request' }),
    );
  });
});
