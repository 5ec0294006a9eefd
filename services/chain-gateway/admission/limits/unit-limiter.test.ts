import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { createSeededRandom } from '../../../../lib/random.ts';
import { createManualClock, type ManualClock } from '../../../../lib/time.ts';
import { RPC_ERROR } from '../../rpc/errors.ts';
import type { RpcFailure } from '../../rpc/outcome.ts';
import { createVirtualLeases } from '../../testing/virtual-leases.ts';
import { type Principal, type UnitLimit, unlimitedPrincipal } from '../principal.ts';
import { admissionUnits } from './method-class.ts';
import {
  createUnitLimiter,
  LEAST_SLICE,
  SLICE_MS,
  type UnitLimiter,
  type UnitLimiterDeps,
} from './unit-limiter.ts';

const log = { warn: () => undefined, info: () => undefined };
const PRICE = admissionUnits('eth_getBalance');
const withLimit = (id: string, unitsPerSecond: number, burst = unitsPerSecond): Principal => ({
  ...unlimitedPrincipal('api-key', id),
  limit: { unitsPerSecond, burst },
});

function createFleet(
  size: number,
  settings: { delayMs?: () => number; global?: UnitLimit } & Partial<UnitLimiterDeps> = {},
) {
  const clock = createManualClock();
  const leases = createVirtualLeases(clock, settings.delayMs ?? (() => 0.5));
  const fleet = Array.from({ length: size }, (_, index) =>
    createUnitLimiter({ clock, log, global: undefined, ...settings, source: leases.processFor(`p${index}`) }),
  );
  return { clock, leases, fleet };
}
/** Offers `perSecond` calls for a while; resolves to the virtual times at which calls were let through. */
async function offer(
  clock: ManualClock,
  fleet: readonly UnitLimiter[],
  who: Principal,
  perSecond: number,
  forMs: number,
  method = 'eth_getBalance',
): Promise<{ passed: number[]; refused: number; slowestMs: number }> {
  const result = { passed: [] as number[], refused: 0, slowestMs: 0 };
  const pending: Promise<void>[] = [];
  let sent = 0;
  let open = 0;
  const start = clock.monotonic();
  for (let ms = 0; ms < forMs; ms++) {
    for (; sent < ((ms + 1) * perSecond) / 1_000; sent++) {
      const at = clock.monotonic();
      open++;
      const limiter = fleet[sent % fleet.length] as UnitLimiter;
      pending.push(
        Promise.resolve(limiter.take(who, method)).then((refusal) => {
          if (refusal === undefined) result.passed.push(clock.monotonic() - start);
          else result.refused++;
          open--;
          result.slowestMs = Math.max(result.slowestMs, clock.monotonic() - at);
        }),
      );
    }
    await clock.advance(1);
  }
  while (open > 0) await clock.advance(1);
  await Promise.all(pending);
  return result;
}

async function settled<T>(clock: ManualClock, verdict: T | Promise<T>): Promise<T> {
  await clock.advance(5);
  return verdict;
}

describe('rate limits in compute units', () => {
  it('let everything through below the limit, with a small share of round trips', async () => {
    const { clock, leases, fleet } = createFleet(2);
    const { passed, refused } = await offer(clock, fleet, withLimit('key:a', 40_000), 1_000, 3_000);
    expect(refused).toBe(0);
    expect(passed).toHaveLength(3_000);
    expect(leases.trips).toBeLessThan(passed.length * 0.06);
  });

  it('give what was agreed under pressure, whichever process is asked, and refuse quickly', async () => {
    const { clock, fleet } = createFleet(3);
    const { passed, refused, slowestMs } = await offer(clock, fleet, withLimit('key:a', 2_000), 2_000, 5_000);
    const units = passed.length * PRICE;
    const bound = 2_000 + 5 * 2_000 + 3 * Math.max((2_000 * SLICE_MS) / 1_000, PRICE);
    expect(units).toBeLessThanOrEqual(bound);
    expect(units).toBeGreaterThan((2_000 + 5 * 2_000) * 0.95);
    expect(refused).toBe(10_000 - passed.length);
    expect(slowestMs).toBeLessThan(10);
  });

  it('never exceed burst + rate · T + processes · slice in any interval (property)', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          seed: fc.integer(),
          processes: fc.integer({ min: 1, max: 4 }),
          rate: fc.integer({ min: 50, max: 5_000 }),
          burstSeconds: fc.double({ min: 0.2, max: 3, noNaN: true }),
          phases: fc.array(
            fc.record({
              perSecond: fc.integer({ min: 0, max: 800 }),
              ms: fc.integer({ min: 10, max: 1_500 }),
            }),
            {
              minLength: 1,
              maxLength: 5,
            },
          ),
        }),
        async ({ seed, processes, rate, burstSeconds, phases }) => {
          const random = createSeededRandom(seed);
          const { clock, fleet } = createFleet(processes, { delayMs: () => random.float() * 20 });
          const burst = Math.max(PRICE, rate * burstSeconds);
          const who = withLimit('key:a', rate, burst);
          const times: number[] = [];
          const start = clock.monotonic();
          let from = start;
          for (const { perSecond, ms } of phases) {
            const { passed } = await offer(clock, fleet, who, perSecond, ms);
            times.push(...passed.map((at) => at + from - start));
            from = clock.monotonic();
          }
          times.sort((a, b) => a - b);
          const slice = Math.max((rate * SLICE_MS) / 1_000, LEAST_SLICE);
          for (let i = 0; i < times.length; i += 7) {
            for (let j = i; j < times.length; j += 5) {
              const seconds = ((times[j] as number) - (times[i] as number)) / 1_000;
              // A lease on its way (20 ms there, 20 ms back) is one more slice.
              const bound = burst + rate * (seconds + 0.04) + processes * 1.5 * slice;
              expect((j - i + 1) * PRICE).toBeLessThanOrEqual(bound + PRICE);
            }
          }
        },
      ),
      { numRuns: Number(process.env.LIMITER_RUNS ?? 15) },
    );
  });

  it('keep classes of dear methods to their share', async () => {
    const { clock, fleet } = createFleet(1);
    const who = withLimit('key:a', 3_000);
    const logs = await offer(clock, fleet, who, 200, 3_000, 'eth_getLogs');
    const units = logs.passed.length * admissionUnits('eth_getLogs');
    expect(units).toBeLessThanOrEqual(0.5 * (3_000 + 3 * 3_000) + 150 + 75);
    let refusal: RpcFailure | undefined;
    for (let i = 0; i < 5; i++) refusal = await settled(clock, fleet[0]?.take(who, 'eth_getLogs'));
    expect(refusal).toMatchObject({ code: RPC_ERROR.limitExceeded });
    expect(refusal?.data).toContain('class_limit');
    expect(await settled(clock, fleet[0]?.take(who, 'eth_getBalance'))).toBeUndefined();
  });

  it('protect the gateway as a whole, but not from itself', async () => {
    const { clock, fleet } = createFleet(1, { global: { unitsPerSecond: 1_000, burst: 1_000 } });
    const crowd = await offer(clock, fleet, unlimitedPrincipal('anonymous', 'anonymous'), 1_000, 2_000);
    expect(crowd.passed.length * PRICE).toBeLessThanOrEqual(3_000 + 100);
    const refusal = await settled(
      clock,
      fleet[0]?.take(unlimitedPrincipal('anonymous', 'anonymous'), 'eth_getBalance'),
    );
    expect(refusal?.data).toContain('global_limit');
    expect(fleet[0]?.take(unlimitedPrincipal('internal', 'internal'), 'eth_getBalance')).toBeUndefined();
  });

  it('tell an honest wait', async () => {
    const { clock, fleet } = createFleet(1);
    const who = withLimit('key:a', 100, 100);
    await offer(clock, fleet, who, 1_000, 300);
    const refusal = await settled(clock, fleet[0]?.take(who, 'eth_getBalance'));
    const { retryAfterMs } = JSON.parse(refusal?.data ?? '') as { retryAfterMs: number };
    expect(retryAfterMs).toBeGreaterThan(0);
    expect(retryAfterMs).toBeLessThanOrEqual(200);
    await clock.advance(retryAfterMs + 105);
    expect(await settled(clock, fleet[0]?.take(who, 'eth_getBalance'))).toBeUndefined();
  });

  it('take a call that costs more than a burst now and then rather than never', async () => {
    const { clock, fleet } = createFleet(1);
    const { passed } = await offer(clock, fleet, withLimit('key:a', 10, 10), 100, 5_000);
    expect(passed.length).toBeGreaterThan(3);
    expect(passed.length).toBeLessThan(9);
  });

  it('give a slice back when its process has no use for it', async () => {
    const { clock, leases, fleet } = createFleet(2);
    const who = withLimit('key:a', 1_000);
    await offer(clock, fleet.slice(0, 1), who, 1, 1);
    expect(leases.leased.get('key:a')).toBe(100);
    await clock.advance(3_000);
    expect(leases.leased.get('key:a')).toBe(PRICE);
  });

  it('cost one unit when no provider was needed', async () => {
    const { clock, fleet } = createFleet(1);
    const who = withLimit('key:a', 1_000);
    const [limiter] = fleet as [UnitLimiter];
    const before = 1_000;
    for (let i = 0; i < 10; i++) {
      await Promise.all([limiter.take(who, 'eth_getBalance'), clock.advance(2)]);
      limiter.giveBack(who, 'eth_getBalance', PRICE - 1);
    }
    expect(limiter.standing(who)?.remaining).toBeGreaterThanOrEqual(before - 11);
  });
});

describe('when Redis is away', () => {
  it('each process keeps its share of the limit by itself, counts that, and goes back when Redis is back', async () => {
    let local = 0;
    const { clock, leases, fleet } = createFleet(2, { onLocal: () => local++ });
    const who = withLimit('key:a', 2_000);
    await offer(clock, fleet, who, 400, 2_000);
    expect(local).toBe(0);
    leases.away = true;
    const during = await offer(clock, fleet, who, 400, 5_000);
    expect(local).toBeGreaterThan(1_000);
    expect(fleet.every((limiter) => limiter.local())).toBe(true);
    const units = during.passed.length * PRICE;
    expect(units).toBeLessThanOrEqual(2_000 + 5 * 2_000 + 2 * 200);
    expect(units).toBeGreaterThan(5 * 2_000 * 0.8);
    leases.away = false;
    await clock.advance(1_100);
    local = 0;
    const after = await offer(clock, fleet, who, 400, 3_000);
    expect(fleet.some((limiter) => limiter.local())).toBe(false);
    expect(local).toBe(0);
    expect(after.passed.length * PRICE).toBeLessThanOrEqual(2 * 2_000 + 3 * 2_000 + 2 * 200);
  });

  it('a first call is let in, not refused for want of a slice', async () => {
    const { clock, leases, fleet } = createFleet(1);
    leases.away = true;
    const { passed } = await offer(clock, fleet, withLimit('key:new', 1_000), 10, 500);
    expect(passed).toHaveLength(5);
  });
});

describe('without Redis at all', () => {
  it('the one process keeps the limit', async () => {
    const clock = createManualClock();
    const limiter = createUnitLimiter({ clock, log, source: undefined, global: undefined });
    const { passed } = await offer(clock, [limiter], withLimit('key:a', 1_000), 500, 4_000);
    expect(passed.length * PRICE).toBeLessThanOrEqual(5_000 + PRICE);
    expect(passed.length * PRICE).toBeGreaterThan(4_800);
    await limiter.stop();
  });
});
