import { describe, expect, it } from '@jest/globals';
import { createSeededRandom } from '../../../lib/random.ts';
import type { RpcPriority } from '../rpc/ethereum-rpc.ts';
import { type Contender, contend } from './contention.ts';
import type { Faults } from './virtual-upstream.ts';

const SECONDS = Number(process.env.CONTENTION_SECONDS ?? 6);
const SEEDS = Number(process.env.CONTENTION_SEEDS ?? 6);
const TO = SECONDS * 1_000;

/** Two providers that together do 400 calls a second: by rate limit, or by the number of calls they work on at once. */
const LIMITED: readonly Faults[] = [
  { bucket: { perSecond: 200, burst: 20, retryAfter: false } },
  { bucket: { perSecond: 200, burst: 20, retryAfter: false } },
];
const BUSY: readonly Faults[] = [
  { capacity: { slots: 20, serviceMs: 100 } },
  { capacity: { slots: 20, serviceMs: 100 } },
];
const client = (
  name: string,
  callsPerSecond: number,
  priority: RpcPriority = 'standard',
  extra: Partial<Contender> = {},
): Contender => ({ name, priority, weight: 1, callsPerSecond, from: 0, to: TO, ...extra });

describe('clients that want more than providers can do', () => {
  it.each([
    ['limited', LIMITED, 1],
    ['busy', BUSY, 2],
  ] as const)(
    'of %s providers: one noisy client takes nothing from a quiet one',
    async (_, providers, seed) => {
      const plan = { seed, durationMs: TO, capacity: 400, providers };
      const alone = await contend({ ...plan, contenders: [client('quiet', 40)] });
      const together = await contend({ ...plan, contenders: [client('quiet', 40), client('noisy', 2_000)] });
      expect(together.violations).toEqual([]);
      expect(together.by.quiet?.ok).toBeGreaterThanOrEqual((together.by.quiet?.offered ?? 0) * 0.95);
      expect(together.by.noisy?.refused).toBeGreaterThan(1_000);
      expect(together.by.quiet?.p50).toBeLessThan((alone.by.quiet?.p50 ?? 0) * 1.35 + 5);
    },
  );

  it.each([
    ['limited', LIMITED],
    ['busy', BUSY],
  ] as const)('of %s providers: a person does not wait for a batch', async (_, providers) => {
    const plan = { seed: 3, durationMs: TO, capacity: 400, providers };
    const alone = await contend({ ...plan, contenders: [client('person', 40, 'interactive')] });
    const together = await contend({
      ...plan,
      contenders: [client('person', 40, 'interactive'), client('batch', 1_000, 'background')],
    });
    expect(together.violations).toEqual([]);
    expect(together.by.person?.ok).toBeGreaterThanOrEqual((together.by.person?.offered ?? 0) * 0.95);
    expect(together.by.batch?.ok).toBeGreaterThan(100);
    expect(together.by.person?.p50).toBeLessThan((alone.by.person?.p50 ?? 0) * 1.35 + 5);
  });

  it.each([
    ['limited', LIMITED],
    ['busy', BUSY],
  ] as const)(
    'of %s providers: ten times the capacity leaves the goodput, and refusals are quick',
    async (_, providers) => {
      const contenders = Array.from({ length: 8 }, (_, index) => client(`c${index}`, 500));
      const run = await contend({ seed: 4, durationMs: TO, capacity: 400, providers, contenders });
      expect(run.violations).toEqual([]);
      expect(run.goodput).toBeGreaterThan(400 * 0.9);
      const shares = Object.values(run.by).map(({ ok }) => ok);
      expect(Math.min(...shares)).toBeGreaterThan(Math.max(...shares) * 0.7);
    },
  );

  it('keeps its promises for random crowds', async () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const random = createSeededRandom(1_000 + seed);
      const classes = ['interactive', 'standard', 'background'] as const;
      const contenders = Array.from({ length: 2 + Math.floor(random.float() * 6) }, (_, index) => {
        const from = random.float() * TO * 0.5;
        return client(`c${index}`, 5 + random.float() ** 3 * 1_500, classes[Math.floor(random.float() * 3)], {
          weight: 1 + Math.floor(random.float() * 3),
          from,
          to: Math.min(TO, from + 1_000 + random.float() * TO),
        });
      });
      const providers = random.float() < 0.5 ? LIMITED : BUSY;
      const { violations } = await contend({ seed, durationMs: TO, capacity: 400, providers, contenders });
      expect({ seed, violations }).toEqual({ seed, violations: [] });
    }
  });
});
