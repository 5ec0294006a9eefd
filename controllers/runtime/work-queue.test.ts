import { describe, expect, it } from '@jest/globals';
import { createManualClock } from '../../lib/time.ts';
import { createRateLimiter } from './rate-limiter.ts';
import { createWorkQueue } from './work-queue.ts';

function setup() {
  const clock = createManualClock();
  const queue = createWorkQueue({
    clock,
    rateLimiter: createRateLimiter({ clock, baseMs: 100, maxMs: 1000, perSecond: 1000 }),
  });
  return { clock, queue };
}

describe('the work queue', () => {
  it('holds a key once, however often it is added', async () => {
    const { queue } = setup();
    for (let i = 0; i < 5; i++) queue.add('a');
    queue.add('b');
    expect(queue.depth).toBe(2);
    expect([await queue.next(), await queue.next()]).toEqual(['a', 'b']);
  });

  it('never hands out a key that is being worked on; it comes once more afterwards', async () => {
    const { queue } = setup();
    queue.add('a');
    expect(await queue.next()).toBe('a');
    queue.add('a');
    queue.add('a');
    expect(queue.depth).toBe(0);
    queue.done('a');
    expect(queue.depth).toBe(1);
    expect(await queue.next()).toBe('a');
    queue.done('a');
    expect(queue.depth).toBe(0);
  });

  it('keeps the shortest of several delays, and an add overtakes them all', async () => {
    const { clock, queue } = setup();
    queue.addAfter('a', 1000);
    queue.addAfter('a', 300);
    queue.addAfter('a', 5000);
    await clock.advance(299);
    expect(queue.depth).toBe(0);
    await clock.advance(1);
    expect(queue.depth).toBe(1);
    queue.addAfter('b', 1000);
    queue.add('b');
    await queue.next();
    await queue.next();
    queue.done('b');
    await clock.advance(10_000);
    expect(queue.depth).toBe(0);
  });

  it('backs off exponentially per key and starts anew after a success', async () => {
    const { clock, queue } = setup();
    for (const wait of [100, 200, 400, 800, 1000, 1000]) {
      queue.addRateLimited('a');
      await clock.advance(wait - 1);
      expect(queue.depth).toBe(0);
      await clock.advance(1);
      expect(await queue.next()).toBe('a');
      queue.done('a');
    }
    queue.forget('a');
    queue.addRateLimited('a');
    await clock.advance(100);
    expect(queue.depth).toBe(1);
  });

  it('shuts down in order: hands out what waits, drops what is delayed, resolves when the last is done', async () => {
    const { clock, queue } = setup();
    queue.add('a');
    const first = await queue.next();
    queue.add('b');
    queue.addAfter('c', 10);
    let over = false;
    void queue.shutDown().then(() => {
      over = true;
    });
    queue.add('d');
    await clock.advance(100);
    expect(await queue.next()).toBe('b');
    expect(await queue.next()).toBeUndefined();
    queue.done('b');
    await clock.advance(0);
    expect(over).toBe(false);
    queue.done(first as string);
    await clock.advance(0);
    expect(over).toBe(true);
  });
});

describe('the rate limiter', () => {
  it('slows all keys together when many fail', () => {
    const clock = createManualClock();
    const limiter = createRateLimiter({ clock, baseMs: 1, perSecond: 10, burst: 5 });
    const waits = Array.from({ length: 15 }, (_, i) => limiter.when(`key-${i}`));
    expect(waits.slice(0, 5)).toEqual([1, 1, 1, 1, 1]);
    expect(waits[14]).toBe(1000);
  });
});
