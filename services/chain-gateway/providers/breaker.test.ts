import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { createBreaker } from './breaker.ts';

function createClock(): { now: number; monotonic(): number } {
  return {
    now: 0,
    monotonic() {
      return this.now;
    },
  };
}

describe('circuit breaker', () => {
  it('opens after five faults in a row, tries again after its pause, closes after two good trials', () => {
    const clock = createClock();
    const breaker = createBreaker(clock);
    for (let i = 0; i < 5; i++) breaker.onFault();
    expect(breaker.state).toBe('open');
    expect(breaker.tryAcquire()).toBe(false);
    clock.now = 250;
    expect(breaker.tryAcquire()).toBe(true);
    expect(breaker.state).toBe('half-open');
    expect(breaker.tryAcquire()).toBe(false);
    breaker.onSuccess();
    expect(breaker.tryAcquire()).toBe(true);
    breaker.onSuccess();
    expect(breaker.state).toBe('closed');
  });

  it('waits twice as long after each failed trial, up to five seconds', () => {
    const clock = createClock();
    const breaker = createBreaker(clock);
    for (let i = 0; i < 5; i++) breaker.onFault();
    const pauses: number[] = [];
    for (let i = 0; i < 7; i++) {
      pauses.push(breaker.retryInMs());
      clock.now += breaker.retryInMs();
      expect(breaker.tryAcquire()).toBe(true);
      breaker.onFault();
    }
    expect(pauses).toEqual([250, 500, 1_000, 2_000, 4_000, 5_000, 5_000]);
  });

  it('does not wait for the pause when a probe has succeeded', () => {
    const breaker = createBreaker(createClock());
    for (let i = 0; i < 5; i++) breaker.onFault();
    breaker.onSuccess();
    expect(breaker.state).toBe('half-open');
    breaker.onSuccess();
    expect(breaker.state).toBe('closed');
  });

  it('opens when most calls fail although some succeed', () => {
    const breaker = createBreaker(createClock());
    for (let i = 0; i < 20; i++) {
      breaker.onFault();
      if (i % 2 === 0) breaker.onSuccess();
    }
    expect(breaker.state).toBe('open');
  });

  it('keeps to its state machine under any history', () => {
    const step = fc.oneof(
      fc.constantFrom('success', 'fault', 'neutral', 'acquire'),
      fc.integer({ min: 1, max: 6_000 }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const clock = createClock();
        const moves: string[] = [];
        let before = 'closed';
        const breaker = createBreaker(clock, (state) => {
          moves.push(`${before}>${state}`);
          before = state;
        });
        let trials = 0;
        for (const what of steps) {
          if (typeof what === 'number') clock.now += what;
          else if (what === 'success') breaker.onSuccess();
          else if (what === 'fault') breaker.onFault();
          else if (what === 'neutral') breaker.onNeutral();
          else {
            const would = breaker.wouldAllow();
            expect(breaker.tryAcquire()).toBe(would);
            if (breaker.state === 'closed') expect(would).toBe(true);
            if (breaker.state === 'open') expect(would).toBe(false);
            if (would && breaker.state === 'half-open') trials++;
          }
        }
        expect(trials).toBeLessThanOrEqual(steps.length);
        const legal = new Set(['closed>open', 'open>half-open', 'half-open>open', 'half-open>closed']);
        expect(moves.filter((move) => !legal.has(move))).toEqual([]);
      }),
    );
  });
});
