import { describe, expect, it } from '@jest/globals';
import { createSeededRandom, systemRandom } from './random.ts';
import { createManualClock, systemClock } from './time.ts';

describe('createManualClock', () => {
  it('fires timers in order of time, then of creation, at their own moment', async () => {
    const clock = createManualClock(1_000);
    const seen: string[] = [];
    clock.setTimeout(() => seen.push(`b@${clock.now()}`), 20);
    clock.setTimeout(() => seen.push(`a@${clock.now()}`), 10);
    clock.setTimeout(() => seen.push(`c@${clock.now()}`), 20);
    const tick = clock.setInterval(() => seen.push(`i@${clock.now()}`), 15);
    await clock.advance(30);
    tick.cancel();
    await clock.advance(100);
    expect(seen).toEqual(['a@1010', 'i@1015', 'b@1020', 'c@1020', 'i@1030']);
  });

  it('lets a sleeper start another sleep within the same advance', async () => {
    const clock = createManualClock(0);
    let done = 0;
    void (async () => {
      await clock.sleep(10);
      await clock.sleep(10);
      done = clock.now();
    })();
    await clock.advance(25);
    expect(done).toBe(20);
  });

  it('jumps the wall clock without moving timers or monotonic time', async () => {
    const clock = createManualClock(0);
    let fired = false;
    clock.setTimeout(() => {
      fired = true;
    }, 10);
    clock.jump(-5_000);
    expect([clock.now(), clock.monotonic()]).toEqual([-5_000, 0]);
    await clock.advance(9);
    expect(fired).toBe(false);
    await clock.advance(1);
    expect(fired).toBe(true);
  });

  it('rejects a sleep whose signal aborts, and drops its timer', async () => {
    const clock = createManualClock();
    const abort = new AbortController();
    const sleep = clock.sleep(1_000, abort.signal);
    abort.abort(new Error('enough'));
    await expect(sleep).rejects.toThrow('enough');
    expect(clock.nextTimerIn()).toBeUndefined();
    await expect(systemClock.sleep(1_000, abort.signal)).rejects.toThrow('enough');
  });
});

describe('random', () => {
  it('repeats a run from its seed, and differs between seeds', () => {
    const draw = (seed: number) => Array.from({ length: 5 }, createSeededRandom(seed).float);
    expect(draw(7)).toEqual(draw(7));
    expect(draw(7)).not.toEqual(draw(8));
    expect(draw(7).every((x) => x >= 0 && x < 1)).toBe(true);
  });

  it('makes UUIDs of version 7 that sort by time', () => {
    let now = Date.UTC(2026, 0, 1);
    const random = systemRandom({ now: () => now });
    const first = random.uuid();
    now += 1;
    const second = random.uuid();
    expect(first).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(first < second).toBe(true);
  });
});
