import { describe, expect, it } from '@jest/globals';
import { type Decision, decide, emptyMemory } from './decide.ts';
import { NOON, pool, provider, remembering, scene } from './testing/scenes.ts';
import { formatDecision } from './trace.ts';

const told = (decision: Decision): string => `\n${formatDecision(decision)}\n`;

/** Golden traces: each is what `kubectl describe` shows for that situation. */
describe('decide explains', () => {
  it('a steady load: the pods that arrivals need, nothing more', () => {
    const { decision } = decide(
      pool(),
      remembering({ rate: 14, added: 1400, replicas: 2 }),
      scene({
        wanted: 2,
        queue: { addedTotal: 1400, active: 6, serviceSeconds: 0.4 },
        providers: [provider({ usedPerSecond: 14 })],
      }),
    );
    expect(told(decision)).toBe(`
Keep 2 → 2: stay at 2 pods: 14 jobs/s arriving, 0 waiting, the oldest for 0 s of 30 s
  λ        14 jobs/s  arrivals: 14/s over 10 s, 14/s over 60 s; the larger counts
  S        0.4 s      time one job occupies a slot, measured
  c·ρ      3.2 slots  4 slots per pod, 80 % busy in steady state
  base     2 pods     λ·S / (c·ρ) = 1.75, to keep up with arrivals
  backlog  0 jobs     oldest 0 s of 30 s; 6 active
  drain    0 pods     backlog·S / (c·20 s) = 0, to finish it in time
  cap      9 pods     2 ready + 7 that the providers can feed: alpha 76 of 90/s left
  desired  2 pods     within 1–20
`);
  });

  it('a backlog: enough pods to finish it before the oldest job breaks the objective', () => {
    const { decision } = decide(
      pool(),
      remembering({ rate: 14, added: 2000, done: 1186, replicas: 2 }),
      scene({
        wanted: 2,
        queue: { addedTotal: 2000, waiting: 800, active: 8, oldestAgeSeconds: 5, serviceSeconds: 0.4 },
      }),
    );
    expect(told(decision)).toBe(`
ScaleUp 2 → 6: grow to 6 pods: 14 jobs/s arriving, 800 waiting, the oldest for 5 s of 30 s; limited by the scaling policy
  λ        14 jobs/s  arrivals: 14/s over 10 s, 14/s over 60 s; the larger counts
  S        0.4 s      time one job occupies a slot, measured
  c·ρ      3.2 slots  4 slots per pod, 80 % busy in steady state
  base     2 pods     λ·S / (c·ρ) = 1.75, to keep up with arrivals
  backlog  800 jobs   oldest 5 s of 30 s; 8 active
  drain    6 pods     backlog·S / (c·15 s) = 5.33, to finish it in time
  cap      unlimited  no ChainProvider of chain 1 in this namespace, so nothing is known of its limits
  policy   6 pods     scaleUp: 100 % per 15 s or 4 pods per 15 s
  desired  6 pods     within 1–20
`);
  });

  it('providers near their limit: no more pods than they can feed', () => {
    const { decision } = decide(
      pool(),
      remembering({ rate: 14, added: 2000, done: 1186, replicas: 2 }),
      scene({
        wanted: 2,
        queue: { addedTotal: 2000, waiting: 800, active: 8, oldestAgeSeconds: 5, serviceSeconds: 0.4 },
        providers: [
          provider({ usedPerSecond: 75 }),
          provider({ name: 'beta', throttledPercent: 12 }),
          provider({ name: 'gamma', healthy: false, reason: 'Unreachable' }),
        ],
      }),
    );
    expect(told(decision)).toBe(`
ScaleUp 2 → 3: grow to 3 pods: 14 jobs/s arriving, 800 waiting, the oldest for 5 s of 30 s; more would exceed what the providers can take
  λ        14 jobs/s  arrivals: 14/s over 10 s, 14/s over 60 s; the larger counts
  S        0.4 s      time one job occupies a slot, measured
  c·ρ      3.2 slots  4 slots per pod, 80 % busy in steady state
  base     2 pods     λ·S / (c·ρ) = 1.75, to keep up with arrivals
  backlog  800 jobs   oldest 5 s of 30 s; 8 active
  drain    6 pods     backlog·S / (c·15 s) = 5.33, to finish it in time
  cap      3 pods     2 ready + 1 that the providers can feed: alpha 15 of 90/s left; beta throttles 12 % of calls: full; gamma down (Unreachable)
  desired  3 pods     within 1–20
`);
  });

  it('a provider that refuses calls: down at once to what it does take, however long the queue', () => {
    const { decision } = decide(
      pool({ minReplicas: 1 }),
      remembering({ rate: 30, added: 9000, done: 8600 }),
      scene({
        wanted: 10,
        queue: { addedTotal: 9000, waiting: 360, active: 40, oldestAgeSeconds: 8, serviceSeconds: 0.4 },
        providers: [provider({ limitPerSecond: 25, usedPerSecond: 60, throttledPercent: 60 })],
      }),
    );
    expect(decision).toMatchObject({ replicas: 3, action: 'ScaleDown', limit: 'ProviderCapacity' });
    expect(decision.terms.find(({ name }) => name === 'refusals')).toMatchObject({
      value: '3 pods',
      why: 'providers take 24 calls/s and refuse the rest; that keeps 3 pods busy',
    });
  });

  it('a provider that refuses calls and has no known limit: no guess, the scale stays', () => {
    const { limitPerSecond: _unknown, ...refusing } = provider({ usedPerSecond: 60, throttledPercent: 60 });
    const { decision } = decide(
      pool(),
      remembering({ rate: 30, added: 9000, done: 8600 }),
      scene({
        wanted: 10,
        queue: { addedTotal: 9000, waiting: 3600, active: 40, oldestAgeSeconds: 8, serviceSeconds: 0.4 },
        providers: [refusing],
      }),
    );
    expect(decision).toMatchObject({ replicas: 10, limit: 'ProviderCapacity' });
  });

  it('growth that providers prevented is made good at once when they are back', () => {
    const spec = pool({ maxReplicas: 30 });
    const backlog = { addedTotal: 9000, waiting: 5000, active: 8, oldestAgeSeconds: 60, serviceSeconds: 0.8 };
    let memory = remembering({ rate: 30, added: 9000, done: 3992 });
    const look = (second: number, healthy: boolean) => {
      const seen = scene({
        at: NOON + second * 1000,
        queue: backlog,
        wanted: 2,
        providers: [provider({ healthy, limitPerSecond: 500, usedPerSecond: 0 })],
      });
      const result = decide(spec, memory, seen);
      memory = result.memory;
      return result.decision;
    };
    // Without a hold the policies allow four more pods in the first 15 s.
    expect(decide(spec, memory, scene({ queue: backlog, wanted: 2, providers: [] })).decision).toMatchObject({
      replicas: 6,
      limit: 'Policy',
    });
    for (let second = 0; second <= 120; second += 10) expect(look(second, false).replicas).toBe(2);
    expect(look(121, true)).toMatchObject({ replicas: 30, action: 'ScaleUp' });
  });

  it('dead providers: the scale holds, however long the queue', () => {
    const { decision } = decide(
      pool(),
      remembering({ rate: 14, added: 2000, done: 1186 }),
      scene({
        queue: { addedTotal: 2000, waiting: 800, oldestAgeSeconds: 90, serviceSeconds: 0.4 },
        providers: [provider({ healthy: false, reason: 'Unreachable' })],
      }),
    );
    expect(decision).toMatchObject({
      action: 'Hold',
      hold: 'ProvidersDown',
      replicas: 2,
      summary: 'holding, because no provider of chain 1 is healthy',
    });
  });

  it('an unreadable queue: hold, and the chosen fallback after its time', () => {
    const spec = pool({ fallback: { afterSeconds: 60, replicas: 5 } });
    const first = decide(spec, emptyMemory(), scene({ queue: 'connect ECONNREFUSED redis:6379' }));
    expect(told(first.decision)).toBe(`
Hold 2 → 2: holding, because the queue cannot be read; fallback after 60 s
  queue  unreadable  connect ECONNREFUSED redis:6379
  hold   2 pods      the scale stays as it is
`);
    const later = decide(
      spec,
      first.memory,
      scene({ at: NOON + 61_000, queue: 'connect ECONNREFUSED redis:6379' }),
    );
    expect(told(later.decision)).toBe(`
Fallback 2 → 5: fallback to 5 pods, because the queue could not be read for 60 s
  queue     unreadable  connect ECONNREFUSED redis:6379
  fallback  5 pods      unreadable for 60 s or more; direction UpOnly
`);
    const blind = decide(spec, first.memory, scene({ at: NOON + 61_000, wanted: 9, queue: 'away' }));
    expect(blind.decision.replicas).toBe(9);
  });

  it('an idle pool: the last pod goes only after the silence the user asked for', () => {
    const spec = pool({
      minReplicas: 0,
      scaleToZero: { idleSeconds: 60 },
      behavior: {
        scaleDown: {
          stabilizationWindowSeconds: 0,
          policies: [{ type: 'Pods', value: 5, periodSeconds: 1 }],
        },
      },
    });
    const memory = { ...remembering({ replicas: 1 }), busyAt: NOON };
    expect(decide(spec, memory, scene({ at: NOON + 59_000, wanted: 1 })).decision.replicas).toBe(1);
    const { decision } = decide(spec, memory, scene({ at: NOON + 60_000, wanted: 1 }));
    expect(told(decision)).toBe(`
ScaleDown 1 → 0: shrink to 0 pods: 0 jobs/s arriving, 0 waiting, the oldest for 0 s of 30 s
  λ        0 jobs/s   arrivals: 0/s over 10 s, 0/s over 60 s; the larger counts
  S        0.4 s      time one job occupies a slot, measured
  c·ρ      3.2 slots  4 slots per pod, 80 % busy in steady state
  base     0 pods     λ·S / (c·ρ) = 0, to keep up with arrivals
  backlog  0 jobs     oldest 0 s of 30 s; 0 active
  drain    0 pods     backlog·S / (c·20 s) = 0, to finish it in time
  idle     0 pods     no job for 60 s or more
  cap      unlimited  no ChainProvider of chain 1 in this namespace, so nothing is known of its limits
  desired  0 pods     within 0–20
`);
  });

  it('a job for an empty pool: one pod at once', () => {
    const { decision } = decide(
      pool({ minReplicas: 0 }),
      remembering({ replicas: 0, added: 0 }),
      scene({ wanted: 0, queue: { addedTotal: 1, waiting: 1, oldestAgeSeconds: 0.2 } }),
    );
    expect(decision).toMatchObject({ action: 'ScaleUp', from: 0, replicas: expect.any(Number) });
    expect(decision.replicas).toBeGreaterThanOrEqual(1);
  });

  it('a shrinking load: nothing goes until the smaller need has held for the window', () => {
    const spec = pool({ behavior: { scaleDown: { stabilizationWindowSeconds: 120 } } });
    let memory = remembering({ rate: 2, added: 100, replicas: 8 });
    const quiet = (at: number, wanted: number) =>
      scene({ at, wanted, queue: { addedTotal: 100, serviceSeconds: 0.4 } });
    const first = decide(spec, memory, quiet(NOON, 8));
    expect(first.decision).toMatchObject({ action: 'Keep', replicas: 8, limit: 'Stabilized' });
    expect(first.decision.terms.find((term) => term.name === 'stabilise')).toEqual({
      name: 'stabilise',
      value: '8 pods',
      why: '1 pod was not asked for throughout the last 120 s',
    });
    memory = first.memory;
    const second = decide(spec, memory, quiet(NOON + 121_000, 8));
    expect(second.decision).toMatchObject({ action: 'ScaleDown', replicas: 4, limit: 'Policy' });
  });

  it('a burst: policies are skipped and the burst ceiling holds', () => {
    const spec = pool({ maxReplicas: 6, burst: { whenAgePercent: 50, maxReplicas: 12 } });
    const queue = { addedTotal: 2000, waiting: 2000, active: 8, serviceSeconds: 0.4 };
    const memory = remembering({ rate: 14, added: 2000, done: 0 });
    expect(decide(spec, memory, scene({ queue: { ...queue, oldestAgeSeconds: 14 } })).decision).toMatchObject(
      { replicas: 6, bursting: false },
    );
    const { decision } = decide(spec, memory, scene({ queue: { ...queue, oldestAgeSeconds: 15 } }));
    expect(decision).toMatchObject({ replicas: 12, bursting: true });
    expect(decision.terms.find((term) => term.name === 'burst')?.why).toBe(
      'the objective is in danger: policies and stabilisation are skipped',
    );
  });

  it('a budget: no pool that could burn more than the hour allows', () => {
    const spec = pool({
      worker: { concurrency: 4, startupSeconds: 10, computeUnitsPerJob: 25 },
      budget: { computeUnitsPerHour: 3_600_000 },
    });
    const memory = {
      ...remembering({ rate: 14, added: 2000, done: 1186 }),
      spend: { hour: Math.floor(NOON / 3_600_000), jobs: 36_000 },
    };
    const { decision } = decide(
      spec,
      memory,
      scene({
        at: NOON + 1_800_000,
        queue: { addedTotal: 2000, waiting: 8000, oldestAgeSeconds: 5, serviceSeconds: 0.4 },
      }),
    );
    // 36,000 jobs at 25 units are spent; the rest feeds 60 jobs/s for half an hour, 0.4 s each, four at a time.
    expect(decision.terms.find((term) => term.name === 'budget')).toEqual({
      name: 'budget',
      value: '6 pods',
      why: '2700000 compute units left for 1800 s; more pods could burn more',
    });
    expect(decision.replicas).toBe(6);
  });

  it('pause, shadow mode, a rival and a paused queue', () => {
    const busy = { addedTotal: 2000, waiting: 800, oldestAgeSeconds: 5, serviceSeconds: 0.4 };
    const memory = remembering({ rate: 14, added: 2000, done: 1186 });
    expect(
      decide(pool({ paused: { reason: 'migration', replicas: 3 } }), memory, scene({ queue: busy })).decision,
    ).toMatchObject({
      action: 'Paused',
      replicas: 3,
      summary: 'paused: migration',
    });
    expect(decide(pool({ mode: 'Shadow' }), memory, scene({ queue: busy })).decision).toMatchObject({
      action: 'WouldScaleUp',
      replicas: 6,
    });
    expect(
      decide(pool(), memory, scene({ queue: busy, competitor: 'HorizontalPodAutoscaler workers' })).decision,
    ).toMatchObject({
      action: 'Hold',
      hold: 'CompetingAutoscaler',
      summary:
        'holding, because HorizontalPodAutoscaler workers scales the same target: delete one of the two',
    });
    expect(decide(pool(), memory, scene({ queue: { ...busy, paused: true } })).decision).toMatchObject({
      action: 'Hold',
      hold: 'QueuePaused',
    });
  });

  it('a schedule raises the floor while its window is open', () => {
    const spec = pool({
      schedules: [{ name: 'lunch', start: '30 11 * * 4', durationMinutes: 60, minReplicas: 5 }],
    });
    const open = decide(spec, remembering({}), scene({}));
    expect(open.decision.terms).toContainEqual({
      name: 'bounds',
      value: '5–20',
      why: 'schedule lunch is open',
    });
    expect(open.decision.replicas).toBe(5);
    const closed = decide(spec, remembering({ at: NOON + 3_600_000 }), scene({ at: NOON + 3_600_000 }));
    expect(closed.decision.replicas).toBe(2);
  });

  it('a forecast that beats the naive one may raise the answer', () => {
    const spec = pool({ prediction: { mode: 'RaiseOnly', horizonSeconds: 30 } });
    const memory = remembering({ rate: 14, added: 1400 });
    const queue = { addedTotal: 1400, active: 6, serviceSeconds: 0.4 };
    const with_ = (forecast: { arrivalsPerSecond: number; usable: boolean; scaledError: number }) =>
      decide(spec, memory, scene({ queue, forecast })).decision;
    const raised = with_({ arrivalsPerSecond: 30, usable: true, scaledError: 0.4 });
    expect(raised.replicas).toBe(4);
    expect(raised.terms.find((term) => term.name === 'forecast')?.why).toBe(
      'in 30 s; error 0.4 of naive; raises λ',
    );
    expect(with_({ arrivalsPerSecond: 1, usable: true, scaledError: 0.4 }).replicas).toBe(2);
    expect(with_({ arrivalsPerSecond: 30, usable: false, scaledError: 1.2 }).replicas).toBe(2);
  });
});
