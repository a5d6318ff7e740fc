import { invariant } from '../errors.ts';
import type { PeerAnswer } from './peer.ts';

/**
 * Reads an answer's body to its end, so that it leaves its connection. Rejects when it breaks off, and with a bug when
 * it is longer than `maxBytes`.
 */
export async function readAnswer({ body }: PeerAnswer, maxBytes: number): Promise<Buffer<ArrayBuffer>> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    invariant(bytes <= maxBytes, `an answer of a peer has at most ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
