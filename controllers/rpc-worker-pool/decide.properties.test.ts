import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { createSeededRandom } from '../../lib/random.ts';
import { decide, emptyMemory } from './decide.ts';
import type { Observation } from './observation.ts';
import { NOON, pool, provider, remembering, scene } from './testing/scenes.ts';
import { type Memory, memorySchema, type PoolSpec } from './types.ts';

const specs: fc.Arbitrary<PoolSpec> = fc
  .record({
    minReplicas: fc.integer({ min: 0, max: 5 }),
    extra: fc.integer({ min: 1, max: 40 }),
    concurrency: fc.integer({ min: 1, max: 32 }),
    callsPerJob: fc.integer({ min: 1, max: 5 }),
    startupSeconds: fc.integer({ min: 0, max: 20 }),
    targetUtilizationPercent: fc.integer({ min: 10, max: 100 }),
    up: fc.integer({ min: 0, max: 60 }),
    down: fc.integer({ min: 0, max: 300 }),
    burst: fc.boolean(),
    budget: fc.option(fc.integer({ min: 1, max: 100_000_000 }), { nil: undefined }),
    selectPolicy: fc.constantFrom('Max' as const, 'Min' as const, 'Disabled' as const),
  })
  .map((r) =>
    pool({
      minReplicas: r.minReplicas,
      maxReplicas: r.minReplicas + r.extra,
      worker: {
        concurrency: r.concurrency,
        callsPerJob: r.callsPerJob,
        startupSeconds: r.startupSeconds,
        computeUnitsPerJob: 20,
      },
      targetUtilizationPercent: r.targetUtilizationPercent,
      behavior: {
        scaleUp: { stabilizationWindowSeconds: r.up, selectPolicy: r.selectPolicy },
        scaleDown: { stabilizationWindowSeconds: r.down },
      },
      ...(r.burst ? { burst: { maxReplicas: r.minReplicas + r.extra + 10 } } : {}),
      ...(r.budget === undefined ? {} : { budget: { computeUnitsPerHour: r.budget } }),
    }),
  );

const providers = fc.array(
  fc
    .record({
      healthy: fc.boolean(),
      limit: fc.option(fc.integer({ min: 1, max: 1000 }), { nil: undefined }),
      used: fc.integer({ min: 0, max: 1500 }),
      throttledPercent: fc.constantFrom(0, 0, 3, 50),
    })
    .map(({ healthy, limit, used, throttledPercent }) => {
      const { limitPerSecond: _none, ...base } = provider({ healthy, usedPerSecond: used, throttledPercent });
      return limit === undefined ? base : { ...base, limitPerSecond: limit };
    }),
  { maxLength: 4 },
);

const readings = fc.record({
  waiting: fc.integer({ min: 0, max: 100_000 }),
  active: fc.integer({ min: 0, max: 500 }),
  oldestAgeSeconds: fc.integer({ min: 0, max: 10_000 }),
  added: fc.integer({ min: 0, max: 5_000 }),
  serviceSeconds: fc.option(fc.double({ min: 0.001, max: 100, noNaN: true }), { nil: undefined }),
});
type Reading = {
  waiting: number;
  active: number;
  oldestAgeSeconds: number;
  added: number;
  serviceSeconds: number | undefined;
};

const observe = (
  r: Reading,
  wanted: number,
  ready: number,
  list: ReturnType<typeof provider>[],
  at = NOON,
): Observation =>
  scene({
    at,
    wanted,
    ready: Math.min(ready, wanted),
    providers: list,
    queue: {
      waiting: r.waiting,
      active: r.active,
      oldestAgeSeconds: r.waiting === 0 ? 0 : r.oldestAgeSeconds,
      addedTotal: 1_000_000 + r.added,
      ...(r.serviceSeconds === undefined ? {} : { serviceSeconds: r.serviceSeconds }),
    },
  });

const memories = fc
  .record({
    rate: fc.integer({ min: 0, max: 500 }),
    replicas: fc.integer({ min: 0, max: 60 }),
    held: fc.integer({ min: 0, max: 60 }),
  })
  .map((r) => remembering({ ...r, added: 1_000_000 }));
const counts = fc.integer({ min: 0, max: 60 });

describe('decide always', () => {
  it('stays within the bounds, a burst ceiling included', () => {
    fc.assert(
      fc.property(
        specs,
        memories,
        readings,
        counts,
        counts,
        providers,
        (spec, memory, r, wanted, ready, list) => {
          const { decision } = decide(spec, memory, observe(r, wanted, ready, list));
          const ceiling = spec.burst?.maxReplicas ?? spec.maxReplicas;
          expect(decision.replicas).toBeLessThanOrEqual(ceiling);
          if (decision.hold !== 'ProvidersDown')
            expect(decision.replicas).toBeGreaterThanOrEqual(spec.minReplicas);
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('never grows above what the providers can feed', () => {
    fc.assert(
      fc.property(
        specs,
        memories,
        readings,
        counts,
        counts,
        providers,
        (spec, memory, r, wanted, ready, list) => {
          fc.pre(list.length > 0);
          const { decision } = decide(spec, memory, observe(r, wanted, ready, list));
          const S = decision.estimates?.serviceSeconds ?? 0;
          const more =
            (decision.providers.leftPerSecond * S) / (spec.worker.concurrency * spec.worker.callsPerJob);
          const feedable = Math.min(ready, wanted) + Math.floor(more + 1e-9);
          expect(decision.replicas).toBeLessThanOrEqual(Math.max(feedable, wanted, spec.minReplicas));
          if (decision.providers.healthy === 0) expect(decision.replicas).toBeLessThanOrEqual(wanted);
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('keeps no more pods than refusing providers with known limits take, but minReplicas', () => {
    fc.assert(
      fc.property(
        specs,
        memories,
        readings,
        counts,
        fc.integer({ min: 1, max: 1000 }),
        fc.integer({ min: 5, max: 95 }),
        (spec, memory, r, wanted, limit, throttledPercent) => {
          const refusing = provider({ limitPerSecond: limit, usedPerSecond: limit * 2, throttledPercent });
          const { decision } = decide(spec, memory, observe(r, wanted, wanted, [refusing]));
          const S = decision.estimates?.serviceSeconds ?? 0;
          const slots = (spec.worker.concurrency * spec.targetUtilizationPercent) / 100;
          const fed = Math.max(1, Math.ceil((limit * S) / (slots * spec.worker.callsPerJob)));
          // The policies still say how fast it goes down.
          const slowed = decision.limit === 'Policy' ? wanted : 0;
          expect(decision.replicas).toBeLessThanOrEqual(Math.max(fed, spec.minReplicas, slowed));
        },
      ),
    );
  });

  it('never grows on an error, unless a fallback or minReplicas says so', () => {
    fc.assert(
      fc.property(specs, memories, counts, providers, (spec, memory, wanted, list) => {
        const { decision } = decide(spec, memory, scene({ wanted, providers: list, queue: 'ETIMEDOUT' }));
        expect(decision.replicas).toBeLessThanOrEqual(Math.max(wanted, spec.minReplicas));
        expect(decision.replicas).toBeGreaterThanOrEqual(Math.min(wanted, spec.maxReplicas));
      }),
    );
  });

  it('never answers a longer backlog with fewer pods', () => {
    fc.assert(
      fc.property(
        specs,
        memories,
        readings,
        counts,
        counts,
        providers,
        fc.integer({ min: 1, max: 50_000 }),
        (spec, memory, r, wanted, ready, list, extra) => {
          const less = decide(spec, memory, observe(r, wanted, ready, list)).decision;
          // The same counter of added jobs and the same oldest age: only what waits differs.
          const longer = observe(
            { ...r, waiting: r.waiting + extra, oldestAgeSeconds: r.waiting === 0 ? 0 : r.oldestAgeSeconds },
            wanted,
            ready,
            list,
          );
          const more = decide(spec, memory, longer).decision;
          expect(more.replicas).toBeGreaterThanOrEqual(less.replicas);
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('answers the same after a restart, from the memory in the status', () => {
    fc.assert(
      fc.property(
        specs,
        fc.array(readings, { minLength: 2, maxLength: 12 }),
        providers,
        (spec, list, offered) => {
          let memory: Memory = emptyMemory();
          let restarted: Memory = emptyMemory();
          let wanted = spec.minReplicas;
          let added = 0;
          list.forEach((r, index) => {
            added += r.added;
            const seen = observe({ ...r, added }, wanted, wanted, offered, NOON + index * 5000);
            const a = decide(spec, memory, seen);
            const b = decide(spec, restarted, seen);
            expect(b).toEqual(a);
            memory = a.memory;
            restarted = memorySchema.parse(JSON.parse(JSON.stringify(b.memory)));
            wanted = a.decision.replicas;
          });
        },
      ),
      { numRuns: 500 },
    );
  });

  it('holds the scale on its first pass after a restart without any memory', () => {
    fc.assert(
      fc.property(counts, (wanted) => {
        const spec = pool({ minReplicas: 0, maxReplicas: 100 });
        expect(
          decide(spec, emptyMemory(), scene({ wanted, queue: { addedTotal: 5 } })).decision.replicas,
        ).toBe(wanted);
      }),
    );
  });

  it('keeps its memory small', () => {
    const random = createSeededRandom(7);
    let memory = emptyMemory();
    let added = 0;
    let wanted = 1;
    for (let i = 0; i < 5000; i++) {
      added += Math.floor(random.float() * 500);
      const waiting = Math.floor(random.float() * 500);
      const result = decide(
        pool(),
        memory,
        scene({ at: NOON + i * 1000, wanted, queue: { addedTotal: added, waiting, active: wanted } }),
      );
      memory = result.memory;
      wanted = result.decision.replicas;
    }
    expect(JSON.stringify(memory).length).toBeLessThan(8_000);
  });

  it('is stable under noise: at a steady load it does not go to and fro', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1_000_000 }), fc.integer({ min: 5, max: 80 }), (seed, rate) => {
        const random = createSeededRandom(seed);
        const spec = pool({ maxReplicas: 100 });
        let memory = emptyMemory();
        let wanted = 1;
        let added = 0;
        let turns = 0;
        let direction = 0;
        for (let second = 0; second < 900; second++) {
          // Arrivals vary by ±10 % around the rate.
          added += rate * (0.9 + 0.2 * random.float());
          const { decision, memory: next } = decide(
            spec,
            memory,
            scene({
              at: NOON + second * 1000,
              wanted,
              queue: { addedTotal: Math.floor(added), active: rate, serviceSeconds: 0.5 },
            }),
          );
          memory = next;
          if (decision.replicas !== wanted) {
            const now = Math.sign(decision.replicas - wanted);
            if (direction !== 0 && now !== direction) turns++;
            direction = now;
          }
          wanted = decision.replicas;
        }
        expect(turns).toBeLessThanOrEqual(1);
      }),
      { numRuns: 25 },
    );
  });
});
