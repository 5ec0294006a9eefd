import { describe, expect, it } from '@jest/globals';
import { AppError } from '../../../../lib/errors.ts';
import { createManualClock } from '../../../../lib/time.ts';
import { type CallPriority, createTurnQueue } from './turn-queue.ts';

function setUp(concurrency = 1, limit = 100) {
  const clock = createManualClock();
  const queue = createTurnQueue({ name: 'Service x', concurrency, limit, clock });
  const order: string[] = [];
  const ask = (who: string, options: { priority?: CallPriority; within?: number; name?: string } = {}) =>
    queue
      .take({
        priority: options.priority ?? 'standard',
        principal: who,
        deadline: clock.monotonic() + (options.within ?? 60_000),
      })
      .then((end) => {
        order.push(options.name ?? who);
        return end;
      });
  return { clock, queue, order, ask };
}

describe('turns', () => {
  it('lets so many run at once, and gives each end to the next', async () => {
    const { queue, ask, order } = setUp(2);
    const [a, b] = [await ask('a'), await ask('b')];
    const c = ask('c');
    expect([queue.running, queue.waiting]).toEqual([2, 1]);
    a();
    a();
    (await c)();
    b();
    expect(order).toEqual(['a', 'b', 'c']);
    expect(queue.running).toBe(0);
  });

  it('goes by priority, then by who has less, then by deadline', async () => {
    const { ask, order } = setUp(2);
    const first = await ask('busy', { name: 'running 1' });
    const second = await ask('other', { name: 'running 2' });
    const later = [
      ask('z', { priority: 'background', name: 'background' }),
      ask('busy', { name: 'busy again' }),
      ask('new', { name: 'new, late', within: 50_000 }),
      ask('newer', { name: 'new, early', within: 40_000 }),
      ask('z', { priority: 'interactive', name: 'interactive' }),
    ];
    second();
    for (const wait of later) void wait.then((end) => Promise.resolve().then(end));
    await Promise.all(later);
    first();
    expect(order.slice(2)).toEqual(['interactive', 'new, early', 'new, late', 'busy again', 'background']);
  });

  it('refuses at once, with the time it would take, who cannot make it', async () => {
    const { clock, queue, ask } = setUp(1);
    const warm = await ask('a');
    await clock.advance(1_000);
    warm();
    const running = await ask('a');
    void ask('b');
    const refused = await ask('c', { within: 1_500 }).catch((error: AppError) => error);
    expect(refused).toBeInstanceOf(AppError);
    expect(refused).toMatchObject({
      code: 'queue_full',
      retryAfterSeconds: 2,
      extra: { expectedWaitMs: 2_000 },
    });
    expect(queue.waiting).toBe(1);
    running();
  });

  it('drops those whose deadline passes while they wait, and those that go away', async () => {
    const { clock, queue, ask } = setUp(1);
    await ask('a');
    const late = ask('b', { within: 100 }).catch((error: AppError) => error.code);
    const abort = new AbortController();
    const gone = queue
      .take({
        priority: 'standard',
        principal: 'c',
        deadline: clock.monotonic() + 9_000,
        signal: abort.signal,
      })
      .catch((error: Error) => error.message);
    abort.abort(new Error('left'));
    await clock.advance(200);
    expect([await late, await gone, queue.waiting]).toEqual(['queue_full', 'left', 0]);
  });

  it('is bounded', async () => {
    const { ask } = setUp(1, 1);
    await ask('a');
    void ask('b');
    await expect(ask('c')).rejects.toThrow(/1 calls wait already/);
  });
});
