import { describe, expect, it } from '@jest/globals';
import { DemoFailure } from './demo-failure.ts';
import { eventually } from './eventually.ts';

const signal = new AbortController().signal;

describe('eventually', () => {
  it('answers as soon as there is something', async () => {
    let looks = 0;
    const found = await eventually({ expected: 'three', withinMs: 1000, everyMs: 1, signal }, () => {
      looks += 1;
      return looks === 3 ? looks : undefined;
    });
    expect(found).toBe(3);
  });

  it('fails after the deadline with what it saw last', async () => {
    const failure = await eventually({ expected: 'green', withinMs: 20, everyMs: 5, signal }, () => {
      throw new DemoFailure({ expected: 'green', seen: 'red', service: 'api' });
    }).catch((error: unknown) => error);
    expect(failure).toMatchObject({ expected: 'green within 0.02 s', seen: 'red', service: 'api' });
  });

  it('does not swallow a mistake in the look', async () => {
    await expect(
      eventually({ expected: 'x', withinMs: 1000, signal }, () => {
        throw new TypeError('bug');
      }),
    ).rejects.toThrow(TypeError);
  });

  it('stops at once when aborted', async () => {
    const abort = new AbortController();
    const waiting = eventually({ expected: 'x', withinMs: 60_000, signal: abort.signal }, () => undefined);
    abort.abort(new Error('interrupted'));
    await expect(waiting).rejects.toThrow();
  });
});
