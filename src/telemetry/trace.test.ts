import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { currentContext, runInContext } from '../context.ts';
import { AppError } from '../errors.ts';
import { createTestRecorder } from '../testing/recorder.ts';
import { enter, isRecording, recordSpans, span } from './trace.ts';
import { newTrace } from './trace-context.ts';

const request = { requestId: 'r-1', userId: 'u-1' };
const sampled = { ...newTrace(), sampled: true };

describe('without a recorder', () => {
  it('work goes on in the trace that it came with, as it came', async () => {
    const seen = await enter('GET', { parent: sampled }, request, () =>
      span('inside', {}, async () => currentContext()),
    );
    expect(seen).toMatchObject({ ...request, ...sampled });
    expect(isRecording()).toBe(false);
  });

  it('a parent is its trace and nothing else, though it be the context of a whole request', async () => {
    const parent = { ...sampled, requestId: 'r-0', userId: 'u-0', deadlineAt: 1, depth: 3 };
    const seen = await enter('saga', { parent }, { requestId: 'r-1' }, async () => currentContext());
    expect(seen).toEqual({ requestId: 'r-1', ...sampled, ids: {} });
  });

  it('work that comes with none gets ids of its own, which nobody records', async () => {
    const seen = await enter('GET', { parent: undefined }, request, async () => currentContext());
    expect(seen).toMatchObject({ ...request, traceId: expect.stringMatching(/^\w{32}$/), sampled: false });
  });
});

describe('with a recorder', () => {
  let recorder: ReturnType<typeof createTestRecorder>;
  beforeEach(() => {
    recorder = createTestRecorder();
    recordSpans(recorder);
    return () => recordSpans(undefined);
  });
  afterEach(() => expect(recorder.spans.every(({ ended }) => ended)).toBe(true));

  it('each span is the parent of those in it, and the context names the innermost', async () => {
    await enter('outer', { kind: 'server', parent: sampled }, request, async () => {
      await span('inner', { kind: 'client' }, async () => {
        expect(currentContext()).toMatchObject({ ...request, traceId: sampled.traceId });
        expect(currentContext()?.spanId).toBe(recorder.spans[1]?.spanId);
      });
      expect(currentContext()?.spanId).toBe(recorder.spans[0]?.spanId);
    });
    const [outer, inner] = recorder.spans;
    expect(outer).toMatchObject({ name: 'outer', kind: 'server', parentId: sampled.spanId });
    expect(inner).toMatchObject({ name: 'inner', kind: 'client', parentId: outer?.spanId });
  });

  it('outside of a trace, and in one that is not recorded, there is no span', async () => {
    await span('alone', {}, async () => expect(isRecording()).toBe(false));
    await runInContext({ ...request, ...sampled, sampled: false }, () => span('silent', {}, async () => {}));
    const parent = { ...sampled, sampled: false };
    await enter('silent', { parent }, request, () => span('inside', {}, async () => {}));
    expect(recorder.spans).toEqual([]);
  });

  it.each([
    ['an outage', new AppError('unavailable', 'database_busy', 'words'), 'database_busy'],
    ['a bug', new TypeError('words'), 'TypeError'],
    ['a failure with a code', Object.assign(new Error('words'), { code: 'ECONNRESET' }), 'ECONNRESET'],
    ['an answer', new AppError('not_found', 'order_not_found', 'words'), undefined],
  ])('%s passes through, and is told by its code at most', async (_, error, failure) => {
    const work = enter('GET', { parent: undefined }, request, async () => {
      throw error;
    });
    await expect(work).rejects.toBe(error);
    expect(recorder.spans).toMatchObject([{ failure, attributes: {} }]);
  });
});
