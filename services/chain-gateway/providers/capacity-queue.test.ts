import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { createManualClock } from '../../../lib/time.ts';
import type { RpcPriority } from '../rpc/ethereum-rpc.ts';
import {
  type CapacityQueueDeps,
  createCapacityQueue,
  type QueueRefusal,
  type Waiting,
} from './capacity-queue.ts';
import { PRIORITY_CLASSES } from './priority-classes.ts';

/** A provider that takes one call every `everyMs`, and a queue in front of it. */
function createBottleneck(everyMs: number, settings: Partial<CapacityQueueDeps> = {}) {
  const clock = createManualClock();
  let freeAt = 0;
  const started: { name: string; priority: RpcPriority; waitedMs: number }[] = [];
  const refused: (QueueRefusal & { name: string; priority: RpcPriority })[] = [];
  const queue = createCapacityQueue({
    clock,
    rate: () => 1_000 / everyMs,
    typicalMs: () => 0,
    maxWaitMs: 200,
    ...settings,
  });
  const offer = (
    name: string,
    priority: RpcPriority = 'standard',
    extra: { deadlineMs?: number; weight?: number; units?: number; bytes?: number } = {},
  ): Waiting | undefined => {
    const at = clock.monotonic();
    const room = (): number => Math.max(0, freeAt - clock.monotonic());
    const attempt = (): number | undefined => {
      if (room() > 0) return room();
      freeAt = clock.monotonic() + everyMs;
      started.push({ name, priority, waitedMs: clock.monotonic() - at });
      return undefined;
    };
    if (queue.length() === 0 && attempt() === undefined) return undefined;
    const dismiss = (refusal: QueueRefusal): void => void refused.push({ ...refusal, name, priority });
    const queued = queue.enqueue(
      {
        method: 'eth_call',
        priority,
        principal: name,
        weight: extra.weight ?? 1,
        units: extra.units ?? 1,
        bytes: extra.bytes ?? 100,
        deadlineAt: at + (extra.deadlineMs ?? 10_000),
        attempt,
        dismiss,
      },
      room(),
    );
    if (!('reason' in queued)) return queued;
    dismiss(queued);
    return undefined;
  };
  return { clock, queue, offer, started, refused };
}

describe('the queue in front of providers', () => {
  it('shares between clients whatever each of them offers, and refuses the noisy one', async () => {
    const { clock, offer, started, refused } = createBottleneck(10);
    for (let ms = 0; ms < 3_000; ms += 2) {
      for (let i = 0; i < 5; i++) offer('noisy');
      if (ms % 50 === 0) offer('quiet');
      await clock.advance(2);
    }
    const quiet = started.filter(({ name }) => name === 'quiet');
    expect(refused.filter(({ name }) => name === 'quiet')).toEqual([]);
    expect(quiet.length).toBeGreaterThanOrEqual(59);
    // A call of the other one is served before it at most, and one was under way.
    expect(Math.max(...quiet.map(({ waitedMs }) => waitedMs))).toBeLessThanOrEqual(30);
    expect(started.length).toBeGreaterThanOrEqual(295);
    expect(refused.filter(({ name }) => name === 'noisy').length).toBeGreaterThan(1_000);
  });

  it('tells an honest wait: who is taken in starts about when it was told', async () => {
    const { clock, offer, started, refused } = createBottleneck(10);
    for (let i = 0; i < 100; i++) offer('a');
    expect(started.length + refused.length).toBeLessThan(100);
    expect(refused[0]?.waitMs).toBeGreaterThan(200);
    expect(refused[0]?.waitMs).toBeLessThan(230);
    await clock.advance(500);
    expect(Math.max(...started.map(({ waitedMs }) => waitedMs))).toBeLessThanOrEqual(210);
    expect(refused.every(({ reason }) => reason === 'wait')).toBe(true);
  });

  it('refuses at once what cannot make its deadline', () => {
    const { offer, refused } = createBottleneck(10, { typicalMs: () => 20 });
    for (let i = 0; i < 5; i++) offer('a');
    offer('a', 'standard', { deadlineMs: 50 });
    expect(refused).toMatchObject([{ reason: 'deadline', retryAfterSeconds: 1 }]);
  });

  it('serves the more urgent call of one client first', async () => {
    const { clock, offer, started } = createBottleneck(10);
    offer('a');
    const order: number[] = [];
    for (const deadlineMs of [900, 300, 600]) offer('a', 'standard', { deadlineMs });
    await clock.advance(100);
    for (const { waitedMs } of started) order.push(waitedMs);
    expect(started).toHaveLength(4);
    expect(order).toEqual([0, 10, 20, 30]);
  });

  it('keeps interactive calls from waiting behind a saturated background class, and starves neither', async () => {
    const { clock, offer, started } = createBottleneck(10);
    for (let ms = 0; ms < 4_000; ms += 2) {
      offer('batch', 'background');
      offer('batch', 'background');
      if (ms % 20 === 0) offer('person', 'interactive');
      await clock.advance(2);
    }
    const waits = started.filter(({ name }) => name === 'person').map(({ waitedMs }) => waitedMs);
    expect(waits.length).toBeGreaterThanOrEqual(199);
    expect(Math.max(...waits)).toBeLessThanOrEqual(20);
    expect(started.filter(({ name }) => name === 'batch').length).toBeGreaterThan(150);
  });

  it('gives the lowest class its share while higher ones take all they can get', async () => {
    const { clock, offer, started } = createBottleneck(10);
    for (let ms = 0; ms < 10_000; ms += 2) {
      offer('batch', 'background');
      offer('person', 'interactive');
      offer('other', 'standard');
      await clock.advance(2);
    }
    const of = (priority: RpcPriority): number => started.filter((one) => one.priority === priority).length;
    const share = PRIORITY_CLASSES.background.weight / (16 + 4 + 1);
    expect(of('background') / started.length).toBeGreaterThan(share * 0.8);
    expect(of('interactive') / started.length).toBeGreaterThan(0.7);
  });

  it('is bounded in calls and in bytes, and sheds the lowest class first', () => {
    const { queue, offer, refused } = createBottleneck(10, {
      maxCalls: 10,
      maxBytes: 2_000,
      maxWaitMs: 60_000,
    });
    offer('x');
    for (let i = 0; i < 10; i++) offer(`b${i}`, 'background');
    expect(queue.length()).toBe(10);
    offer('c', 'background');
    expect(refused).toMatchObject([{ name: 'c', reason: 'full' }]);
    offer('p', 'interactive');
    expect(refused[1]).toMatchObject({ priority: 'background', reason: 'shed' });
    expect(queue.length()).toBe(10);
    offer('large', 'interactive', { bytes: 1_500 });
    expect(queue.bytes()).toBeLessThanOrEqual(2_000);
    expect(queue.waiting('interactive')).toBe(2);
    offer('larger', 'interactive', { bytes: 2_100 });
    expect(refused.at(-1)).toMatchObject({ name: 'larger', reason: 'full' });
  });

  it('takes the place for a quiet client from the one that has most waiting', () => {
    const { offer, refused, queue } = createBottleneck(10, { maxCalls: 10, maxWaitMs: 60_000 });
    offer('x');
    for (let i = 0; i < 10; i++) offer('noisy');
    offer('quiet');
    expect(refused).toMatchObject([{ name: 'noisy', reason: 'shed' }]);
    offer('noisy');
    expect(refused[1]).toMatchObject({ name: 'noisy', reason: 'full' });
    expect(queue.length()).toBe(10);
  });

  it('sends nobody upstream who left, and lets nobody stay beyond the longest wait', async () => {
    let stuck = false;
    const { clock, offer, started, refused, queue } = createBottleneck(10, {
      rate: () => (stuck ? 1_000 : 100),
    });
    offer('a');
    const leaver = offer('a');
    leaver?.leave();
    expect(queue.length()).toBe(0);
    stuck = true;
    // The estimate is too good: the wait ends by patience instead.
    for (let i = 0; i < 100; i++) offer('a');
    await clock.advance(1_000);
    expect(queue.length()).toBe(0);
    expect(queue.bytes()).toBe(0);
    expect(refused.filter(({ reason }) => reason === 'wait').length).toBeGreaterThan(50);
    expect(started.length).toBeLessThan(45);
  });

  it('loses no call and starts none twice, whatever happens', async () => {
    const event = fc.record({
      gapMs: fc.integer({ min: 0, max: 30 }),
      name: fc.constantFrom('a', 'b', 'c', 'd'),
      priority: fc.constantFrom<RpcPriority>('internal', 'interactive', 'standard', 'background'),
      deadlineMs: fc.integer({ min: 1, max: 600 }),
      units: fc.integer({ min: 1, max: 100 }),
      leaves: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(event, { maxLength: 120 }), async (events) => {
        const { clock, queue, offer, started, refused } = createBottleneck(10, { maxCalls: 20 });
        let left = 0;
        for (const { gapMs, name, priority, leaves, ...extra } of events) {
          const lengthBefore = queue.length();
          const waiting = offer(name, priority, extra);
          if (leaves && waiting !== undefined && queue.length() > lengthBefore) {
            waiting.leave();
            waiting.leave();
            left++;
          }
          expect(queue.length()).toBeLessThanOrEqual(20);
          await clock.advance(gapMs);
        }
        await clock.advance(10_000);
        expect(queue.length()).toBe(0);
        expect(queue.bytes()).toBe(0);
        expect(started.length + refused.length + left).toBe(events.length);
      }),
      { numRuns: 100 },
    );
  });
});
