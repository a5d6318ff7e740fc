/** A value that may differ from run to run, and why no client can hold it against us. */
export interface Mask {
  /** What stands in its place; a numbered one gets a number for each different value, in order of appearance. */
  readonly shows: string;
  readonly reason: string;
  /** Matches the value and nothing beside it. */
  readonly pattern: RegExp;
  readonly numbered?: true;
}

/** The trace that a scenario names itself: it must come back as it is. */
export const OWN_TRACE = '0af7651916cd43dd8448eb211c80319c';

/**
 * Everything that transcripts may differ in, applied in this order. Whatever is not here must be the same in every
 * placement, byte for byte.
 */
const masks: readonly Mask[] = [
  {
    shows: 'access-token',
    reason: 'A token: it holds ids and times, under a key made for the installation.',
    pattern: /eyJ[\w-]+\.eyJ[\w-]+\.[\w-]*/g,
  },
  {
    shows: 'refresh-token',
    reason: 'A token: random bytes.',
    pattern: /(?<="refreshToken": ?"|Bearer )[\w-]{43}(?="|$)/gm,
  },
  {
    shows: 'cursor',
    reason: 'It holds times and ids, under a seal made for the installation.',
    pattern: /(?<="nextCursor": "|[?&]cursor=)[\w-]{4,}\.[\w-]{43}/g,
  },
  {
    shows: 'etag',
    reason: 'An ETag is the version, which stays to be compared, and a hash of a body with ids and times.',
    pattern: /(?<="\d+\.)[\w-]{16}(?=")/g,
  },
  {
    shows: 'key',
    reason: 'A key that signs tokens is made for the installation, and so is its name.',
    pattern: /(?<="(?:x|kid)": ")[\w-]{43}(?=")/g,
  },
  {
    shows: 'trace-id',
    reason: 'A trace id: random, unless the client named it.',
    pattern: new RegExp(`(?<="traceId": ")(?!${OWN_TRACE})[0-9a-f]{32}(?=")`, 'g'),
  },
  {
    shows: 'request-id',
    reason: 'A request id: made for each request, unless the client named it.',
    pattern: /(?<=^< x-request-id: )[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/gm,
  },
  {
    shows: 'count',
    reason: 'How much of the limit is left, and for how long, depends on how quickly the scenarios went.',
    pattern: /(?<=^< ratelimit: "default";)r=\d+;t=\d+$/gm,
  },
  {
    shows: 'date',
    reason: 'A time: when the answer, or the mail, was sent.',
    pattern: /(?<=^(?:< date|Date): ).+$/gm,
  },
  {
    shows: 'time',
    reason: 'A time: by the clock of the database or of a process.',
    pattern: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/g,
  },
  {
    shows: 'signature',
    reason: 'It signs a time and ids, with a secret made for the run.',
    pattern: /(?<=^> webhook-signature: )t=\d+,v1=[0-9a-f]{64}$/gm,
  },
  {
    shows: 'boundary',
    reason: 'A random id between the parts of a mail.',
    pattern: /--_NmP-[0-9a-f]+-Part_\d+/g,
  },
  {
    shows: 'message-id',
    reason: "An id: that of the mail's event, which no client sees.",
    pattern: /(?<=^Message-ID: <)[0-9a-f-]{36}(?=@)/gm,
  },
  {
    shows: 'id',
    reason:
      'An id: numbered by its first appearance, so that which thing belongs to which is still compared.',
    pattern: /[0-9a-f]{8}-[0-9a-f]{4}-[47][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}/gi,
    numbered: true,
  },
];

/** Puts masks over texts; equal values of a numbered mask look equal in all of them. */
export interface Masker {
  mask(text: string): string;
  /** The number that an id has by now, or undefined when no text held it yet. */
  numberOf(id: string): number | undefined;
}

export function createMasker(): Masker {
  const numbers = new Map<string, number>();
  function numberFor(value: string): number {
    const known = numbers.get(value);
    if (known !== undefined) return known;
    numbers.set(value, numbers.size + 1);
    return numbers.size;
  }
  return {
    mask(text) {
      return masks.reduce(
        (masked, { pattern, shows, numbered }) =>
          masked.replace(pattern, (value) =>
            numbered ? `${shows}#${numberFor(value.toLowerCase())}` : `<${shows}>`,
          ),
        text,
      );
    },
    numberOf: (id) => numbers.get(id),
  };
}
