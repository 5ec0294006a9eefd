import { describe, expect, it } from '@jest/globals';
import { estimate } from './estimate.ts';
import type { QueueReading } from './observation.ts';
import { NOON, pool } from './testing/scenes.ts';
import type { Memory } from './types.ts';

const reading = (overrides: Partial<QueueReading>): QueueReading => ({
  waiting: 0,
  active: 0,
  delayed: 0,
  oldestAgeSeconds: 0,
  addedTotal: 0,
  paused: false,
  ...overrides,
});

/** Feeds one reading per second and returns the last estimates. */
function run(seconds: number, at: (second: number) => Partial<QueueReading>) {
  let memory: Memory = { recommendations: [], scaleEvents: [] };
  let last = estimate(pool(), memory, reading(at(0)), NOON);
  memory = { ...memory, ...last.memory };
  for (let second = 1; second <= seconds; second++) {
    last = estimate(pool(), memory, reading(at(second)), NOON + second * 1000);
    memory = { ...memory, ...last.memory };
  }
  return { ...last.estimates, memory };
}

describe('estimate', () => {
  it('finds the rate of arrivals within 5 % after half a minute', () => {
    const { arrivalsPerSecond } = run(30, (s) => ({ addedTotal: 50 * s }));
    expect(arrivalsPerSecond).toBeGreaterThan(47.5);
    expect(arrivalsPerSecond).toBeLessThanOrEqual(50);
  });

  it('finds the service time by Little’s law when finished jobs are not kept', () => {
    const { serviceSeconds, serviceSource } = run(120, (s) => ({ addedTotal: 20 * s + 8, active: 8 }));
    expect(serviceSource).toBe('measured');
    expect(serviceSeconds).toBeCloseTo(0.4, 1);
  });

  it('assumes what the spec says until something was measured', () => {
    expect(run(60, () => ({}))).toMatchObject({
      serviceSeconds: 0.5,
      serviceSource: 'assumed',
      arrivalsPerSecond: 0,
    });
  });

  it('survives an emptied queue: the counters start again, the averages stay', () => {
    const { arrivalsPerSecond } = run(31, (s) => ({ addedTotal: s === 31 ? 3 : 50 * s }));
    expect(arrivalsPerSecond).toBeGreaterThan(40);
  });

  it('counts the jobs of the clock hour and starts anew with the next', () => {
    const { jobsThisHour, memory } = run(10, (s) => ({ addedTotal: 10 * s }));
    expect(jobsThisHour).toBe(100);
    expect(
      estimate(pool(), memory, reading({ addedTotal: 105 }), NOON + 3_600_000).estimates.jobsThisHour,
    ).toBe(5);
  });
});
