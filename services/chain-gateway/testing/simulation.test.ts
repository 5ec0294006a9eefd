import { describe, expect, it } from '@jest/globals';
import { planFrom, simulate } from './simulation.ts';
import { createVirtualGateway, type VirtualGateway } from './virtual-gateway.ts';
import type { Faults } from './virtual-upstream.ts';

/** Seeds that once found a mistake, and a few more. `make simulate` runs any number. */
const SEEDS = [
  437985339, 437985346, 437985363, 438131936, 438131973, 438231118, 439400575, 440290209, 1, 2, 3,
];

interface Outcome {
  readonly ok: boolean;
  readonly at: number;
  readonly ms: number;
}

/** Poisson arrivals of distinct reads for a while; outcomes with virtual times. */
async function load(gateway: VirtualGateway, callsPerSecond: number, forMs: number): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  const pending: Promise<void>[] = [];
  const { clock, random } = gateway;
  const end = clock.monotonic() + forMs;
  while (clock.monotonic() < end) {
    await clock.advance((-Math.log(1 - random.float()) * 1_000) / callsPerSecond);
    const at = clock.monotonic();
    const address = `0x${Math.floor(random.float() * 2 ** 48).toString(16)}`;
    pending.push(
      gateway.call('eth_getBalance', [address, 'latest']).then((answer) => {
        outcomes.push({ ok: answer.error === undefined, at, ms: clock.monotonic() - at });
      }),
    );
  }
  await clock.advance(11_000);
  await Promise.all(pending);
  return outcomes;
}

const set = (gateway: VirtualGateway, faults: Faults): void => {
  for (const upstream of gateway.upstreams) upstream.faults = faults;
};
const quantile = (values: readonly number[], q: number): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length * q)] as number;
const reads = (gateway: VirtualGateway): number =>
  gateway.upstreams.reduce((sum, upstream) => sum + upstream.balanceCalls, 0);

describe('the read path in virtual time', () => {
  it.each(SEEDS)('keeps its promises under the faults of seed %i', async (seed) => {
    const { violations } = await simulate(planFrom(seed));
    expect(violations).toEqual([]);
  });

  it('answers within 0.3 s after all providers were down for 3 s', async () => {
    const gateway = await createVirtualGateway({ seed: 5 });
    await load(gateway, 50, 2_000);
    set(gateway, { down: true });
    let upAt = 0;
    gateway.clock.setTimeout(() => {
      set(gateway, {});
      upAt = gateway.clock.monotonic();
    }, 3_000);
    const outcomes = await load(gateway, 50, 6_000);
    const firstSuccess = Math.min(
      ...outcomes
        .filter(({ ok }) => ok)
        .map(({ at, ms }) => at + ms)
        .filter((at) => at > upAt),
    );
    expect(firstSuccess - upAt).toBeLessThanOrEqual(300);
    const settled = outcomes.filter(({ at }) => at > upAt + 1_000);
    expect(settled.every(({ ok, ms }) => ok && ms < 200)).toBe(true);
    await gateway.close();
  });

  it('cuts a slow tail with few extra calls: 5 % of calls late by 2 s on every provider', async () => {
    const gateway = await createVirtualGateway({ seed: 7, latencyMs: 12, jitterMs: 5 });
    set(gateway, { slowRate: 0.05, slowMs: 2_000 });
    await load(gateway, 200, 5_000);
    const before = reads(gateway);
    const outcomes = await load(gateway, 200, 30_000);
    const took = outcomes.map(({ ms }) => ms);
    expect(outcomes.every(({ ok }) => ok)).toBe(true);
    expect(quantile(took, 0.99)).toBeLessThanOrEqual(60);
    expect(quantile(took, 0.999)).toBeLessThanOrEqual(500);
    expect((reads(gateway) - before) / outcomes.length).toBeLessThanOrEqual(1.06);
    await gateway.close();
  });

  it.each([
    [0.8, 0.995],
    [2, 0.95],
  ])(
    'uses limited providers fully and hardly oversteps: offered %f of what they allow',
    async (share, goodput) => {
      const gateway = await createVirtualGateway({ seed: 7 });
      set(gateway, { bucket: { perSecond: 100, burst: 20, retryAfter: true } });
      await load(gateway, 300 * share, 12_000);
      const before = reads(gateway);
      const outcomes = await load(gateway, 300 * share, 20_000);
      const good = outcomes.filter(({ ok }) => ok).length;
      expect(good / (300 * Math.min(1, share) * 20)).toBeGreaterThanOrEqual(goodput - 0.02);
      expect((reads(gateway) - before) / good).toBeLessThanOrEqual(1.05);
      const refused = outcomes.filter(({ ok }) => !ok).map(({ ms }) => ms);
      if (share < 1) expect(refused).toEqual([]);
      else expect(quantile(refused, 0.5)).toBeLessThanOrEqual(10);
      await gateway.close();
    },
  );

  it('makes one upstream call of two thousand identical ones', async () => {
    const gateway = await createVirtualGateway({ hedging: false });
    const calls = Array.from({ length: 2_000 }, () => gateway.call('eth_getBalance', ['0x01', 'latest']));
    await gateway.clock.advance(500);
    const answers = await Promise.all(calls);
    expect(reads(gateway)).toBe(1);
    expect(new Set(answers.map(({ result }) => result)).size).toBe(1);
    expect(answers.filter(({ cache }) => cache === 'coalesced')).toHaveLength(1_999);
    await gateway.close();
  });

  it('does not use a provider of another chain, and says why', async () => {
    const gateway = await createVirtualGateway({ providers: [{}, {}] });
    (gateway.upstreams[0] as { faults: Faults }).faults = { wrongChain: true };
    await gateway.clock.advance(61_000);
    const outcomes = await load(gateway, 20, 1_000);
    expect(outcomes.every(({ ok }) => ok)).toBe(true);
    expect(gateway.path.pool.ranking().at(-1)).toMatchObject({
      excluded: 'wrong-chain',
      provider: { id: 'p1' },
    });
    await gateway.close();
  });

  it('stops waiting at the deadline of each caller, also of those who share a call', async () => {
    const gateway = await createVirtualGateway();
    set(gateway, { hang: true });
    const impatient = gateway.call('eth_getBalance', ['0x01', 'latest'], 300);
    const patient = gateway.call('eth_getBalance', ['0x01', 'latest'], 5_000);
    await gateway.clock.advance(310);
    expect((await impatient).error?.code).toBe(-32015);
    set(gateway, {});
    await gateway.clock.advance(5_000);
    expect((await patient).error).toBeUndefined();
    await gateway.close();
  });
});
