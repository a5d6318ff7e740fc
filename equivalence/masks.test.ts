import { describe, expect, it } from 'vitest';
import { createMasker, OWN_TRACE } from './masks.ts';

const ANNA = '019a0000-0000-7000-8000-000000000001';
const BRUNO = '019a0000-0000-7000-8000-000000000002';

describe('a masker', () => {
  it('numbers ids by their first appearance, and shows the same one alike everywhere', () => {
    const masker = createMasker();
    expect(masker.mask(`${ANNA} ${BRUNO} ${ANNA.toUpperCase()}`)).toBe('id#1 id#2 id#1');
    expect(masker.mask(`"userId": "${BRUNO}"`)).toBe('"userId": "id#2"');
    expect(masker.numberOf(BRUNO)).toBe(2);
  });

  it.each([
    ['"createdAt": "2026-11-24T10:00:00.000Z"', '"createdAt": "<time>"'],
    ['< etag: W/"12.abcdefghijklmnop"', '< etag: W/"12.<etag>"'],
    ['< ratelimit: "default";r=12;t=60', '< ratelimit: "default";<count>'],
    [`< x-request-id: ${ANNA}`, '< x-request-id: <request-id>'],
    ['"traceId": "00000000000000000000000000000001"', '"traceId": "<trace-id>"'],
    ['< date: Tue, 24 Nov 2026 10:00:00 GMT', '< date: <date>'],
  ])('hides what differs in %s', (text, masked) => {
    expect(createMasker().mask(text)).toBe(masked);
  });

  it.each([
    '< 200',
    '"total": 1299',
    '"number": "B-100001"',
    '"status": "paid"',
    '< etag: "nonsense"',
    '< retry-after: 1',
    '< ratelimit-policy: "default";q=600;w=60',
    '< x-request-id: my-request.1',
    `"traceId": "${OWN_TRACE}"`,
    '"date": "2026-11-24"',
  ])('leaves %s as it is', (text) => {
    expect(createMasker().mask(text)).toBe(text);
  });
});
