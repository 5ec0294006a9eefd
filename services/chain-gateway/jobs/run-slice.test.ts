import { describe, expect, it } from '@jest/globals';
import { RpcCallError, type RpcCallOptions } from '../rpc/ethereum-rpc.ts';
import { MAX_JOB_RESULT_BYTES } from './job-limits.ts';
import type { StoredCall } from './job-types.ts';
import { retryDelayMs } from './retry.ts';
import { runSlice } from './run-slice.ts';

type Answer = (index: number, options: RpcCallOptions) => unknown;

function run(
  count: number,
  answer: Answer,
  settings: { parallel?: number; signal?: AbortSignal; resultBytes?: number } = {},
) {
  const asked: number[] = [];
  let [now, most] = [0, 0];
  const calls = Array.from({ length: count }, (_, index): StoredCall => [index, 'eth_call', [index]]);
  const outcome = runSlice(
    { calls, principal: 'service:api', resultBytes: settings.resultBytes ?? 0 },
    {
      rpc: {
        async request(_method, params, options = {}) {
          const index = params[0] as number;
          asked.push(index);
          most = Math.max(most, ++now);
          try {
            await new Promise((resolve) => setImmediate(resolve));
            return await answer(index, options);
          } finally {
            now--;
          }
        },
      },
      parallel: settings.parallel ?? 4,
      signal: settings.signal ?? new AbortController().signal,
    },
  );
  return { outcome, asked, most: () => most };
}
const later = (retryAfterSeconds?: number) =>
  new RpcCallError(-32005, 'providers are at their limits', {
    retry: 'later',
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
  });

describe('runSlice', () => {
  it('answers every call once, some at a time, in the background and on the account of who asked', async () => {
    const seen: RpcCallOptions[] = [];
    const { outcome, asked, most } = run(50, (index, options) => {
      seen.push(options);
      return { index };
    });
    const { answers, left, problem } = await outcome;
    expect(answers.map(({ index }) => index).toSorted((a, b) => a - b)).toEqual([...Array(50).keys()]);
    expect(answers.every(({ ok, index, body }) => ok && body === `{"index":${index}}`)).toBe(true);
    expect([left, problem]).toEqual([[], undefined]);
    expect(asked).toHaveLength(50);
    expect(most()).toBe(4);
    expect(seen[0]).toMatchObject({ priority: 'background', principal: 'service:api' });
  });

  it('takes an error of the chain for an answer, and keeps its data', async () => {
    const { answers, left } = await run(1, () => {
      throw new RpcCallError(3, 'execution reverted', { data: '0x08c3' });
    }).outcome;
    expect(answers).toEqual([
      { index: 0, ok: false, body: '{"code":3,"message":"execution reverted","data":"0x08c3"}' },
    ]);
    expect(left).toEqual([]);
  });

  it('leaves over what may go well later, and says how long to wait', async () => {
    const { answers, left, problem, retryAfterSeconds } = await run(10, (index) => {
      if (index === 3) throw later(7);
      if (index === 5) throw new Error('our own mistake');
      return null;
    }).outcome;
    expect(answers).toHaveLength(8);
    expect(left.map(([index]) => index)).toEqual([3, 5]);
    expect(problem).toBeDefined();
    expect(retryAfterSeconds).toBe(7);
  });

  it('stops asking when nothing is answered any more', async () => {
    const { outcome, asked } = run(50, () => {
      throw later();
    });
    expect((await outcome).left).toHaveLength(50);
    expect(asked.length).toBeLessThan(12);
  });

  it('hands back what is not answered when it is interrupted', async () => {
    const abort = new AbortController();
    const { answers, left, problem } = await run(
      50,
      (index) => {
        if (index === 20) abort.abort();
        if (abort.signal.aborted) throw abort.signal.reason;
        return index;
      },
      { signal: abort.signal },
    ).outcome;
    expect(answers.length).toBeGreaterThanOrEqual(17);
    expect(answers.length + left.length).toBe(50);
    expect(problem).toBeUndefined();
  });

  it('puts an error in the place of a result that is too large, or that the job has no room for', async () => {
    const large = await run(1, () => 'x'.repeat(2 * 1024 * 1024)).outcome;
    expect(large.answers).toMatchObject([
      { ok: false, body: expect.stringContaining('make this call alone') },
    ]);
    const full = await run(1, () => 'x', { resultBytes: MAX_JOB_RESULT_BYTES }).outcome;
    expect(full.answers).toMatchObject([{ ok: false, body: expect.stringContaining('split it') }]);
  });
});

describe('retryDelayMs', () => {
  it('doubles up to five minutes, with half of it by chance, and never comes before it was asked to', () => {
    expect([1, 2, 3, 4].map((attempts) => retryDelayMs(attempts, undefined, 0))).toEqual([
      500, 1000, 2000, 4000,
    ]);
    expect(retryDelayMs(1, undefined, 0.999)).toBeLessThanOrEqual(1_000);
    expect(retryDelayMs(60, undefined, 0.999)).toBeLessThanOrEqual(300_000);
    expect(retryDelayMs(1, 30, 0.5)).toBe(30_000);
  });
});
