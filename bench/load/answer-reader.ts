const HEAD_END = Buffer.from('\r\n\r\n');
const LAST_CHUNK = Buffer.from('\r\n0\r\n\r\n');
const EMPTY_CHUNKS = Buffer.from('0\r\n\r\n');

/**
 * Reads the answers of one connection on which one request is under way at a time. It knows just enough of HTTP/1.1 to
 * cost less than what it measures: answers with a length, in chunks without trailers, or without a body. `onAnswer`
 * gets the status and the body as it came, chunks with their lengths; the bytes are good until it returns.
 */
export function createAnswerReader(
  onAnswer: (status: number, body: Buffer) => void,
): (chunk: Buffer) => void {
  let before: Buffer | undefined;
  return (chunk) => {
    const received = before === undefined ? chunk : Buffer.concat([before, chunk]);
    before = undefined;
    const headEnd = received.indexOf(HEAD_END);
    if (headEnd < 0) {
      before = received;
      return;
    }
    const bodyStart = headEnd + HEAD_END.length;
    const status = statusOf(received);
    const bodyEnd = endOf(received, received.toString('latin1', 0, headEnd + 2), status, bodyStart);
    if (bodyEnd === undefined || bodyEnd > received.length) {
      before = received;
      return;
    }
    if (bodyEnd < received.length) throw new Error('an answer came that nobody asked for');
    onAnswer(status, received.subarray(bodyStart, bodyEnd));
  };
}

function statusOf(received: Buffer): number {
  const status = Number(received.toString('latin1', 9, 12));
  if (!(status >= 100 && status <= 599)) throw new Error(`no HTTP: ${received.toString('latin1', 0, 100)}`);
  return status;
}

/** Where the answer ends, which may be past what has come; undefined while that cannot be told. */
function endOf(received: Buffer, head: string, status: number, bodyStart: number): number | undefined {
  const length = /\r\ncontent-length: *(\d+)\r\n/i.exec(head)?.[1];
  if (length !== undefined) return bodyStart + Number(length);
  if (/\r\ntransfer-encoding: *chunked\r\n/i.test(head)) {
    const isEmpty = received.subarray(bodyStart).equals(EMPTY_CHUNKS);
    if (
      isEmpty ||
      received
        .subarray(bodyStart - 2)
        .subarray(-LAST_CHUNK.length)
        .equals(LAST_CHUNK)
    )
      return received.length;
    return undefined;
  }
  if (status === 204 || status === 304) return bodyStart;
  throw new Error(`an answer of status ${status} without a length`);
}
