import { describe, expect, it } from '@jest/globals';
import { createSeededRandom } from '../../lib/random.ts';
import type { MeasuredCosts } from './measure.ts';
import { needOf, scaled, TODAY } from './model.ts';
import { simulateP99 } from './queue-simulation.ts';
import { FACTORS, measuredCosts, scalingPage, simulatedP99, WAIT_SECONDS } from './scaling-page.ts';

/** Round figures of the order that a process of ours has; the model must hold for any, the page shows measured ones. */
const EXAMPLE: MeasuredCosts = {
  ...{
    measuredAt: '2026-01-01',
    duration: '10m',
    requests: 10_000,
    transfers: 200,
    memory: { api: 2 ** 27 },
  },
  cpu: {
    ...{ apiPerRequest: 0.004, userPerRequest: 0.003, gatewayPerCall: 0.001, workerPerTransaction: 0.05 },
    ...{ indexerPerBlock: 0.03, postgresPerRequest: 0.003, redisPerRequest: 0.0002 },
  },
  ratios: { gatewayCallsPerApiRequest: 1, providerCallsPerGatewayCall: 0.5, apiShare: 0.85 },
};
const costs = measuredCosts() ?? EXAMPLE;

describe('the capacity model', () => {
  it.each(FACTORS)('keeps answers under 500 ms at %s times the peak, by simulation', (factor) => {
    expect(simulatedP99(needOf(scaled(TODAY, factor), costs), costs)).toBeLessThan(0.5);
  });

  it('is not merely generous: with half of the processes the promise breaks', () => {
    const need = needOf(scaled(TODAY, 1_000), costs);
    expect(simulatedP99(need, costs, Math.floor(need.replicas.api / 2))).toBeGreaterThan(0.5);
  });

  it('never needs less for more', () => {
    const needs = FACTORS.map((factor) => needOf(scaled(TODAY, factor), costs));
    for (const [i, need] of needs.entries()) {
      const before = needs[i - 1];
      if (before === undefined) continue;
      for (const name of ['api', 'user', 'gateway', 'worker'] as const)
        expect(need.replicas[name]).toBeGreaterThanOrEqual(before.replicas[name]);
      expect(need.signerLanes).toBeGreaterThanOrEqual(before.signerLanes);
      expect(need.postgresCores).toBeGreaterThanOrEqual(before.postgresCores);
    }
  });

  it('is simulated by a queue that agrees with theory: M/M/1 at a load of 0.6 has its p99 at 11.5 service times', () => {
    const p99 = simulateP99({
      perSecond: 60,
      serviceSeconds: 0.01,
      waitSeconds: 0,
      processes: 1,
      requests: 400_000,
      random: createSeededRandom(7),
    });
    // The response of an M/M/1 queue is exponential with mean S / (1 − ρ): p99 = ln(100) · 0.01 / 0.4.
    expect(p99).toBeGreaterThan(0.95 * Math.log(100) * 0.025);
    expect(p99).toBeLessThan(1.05 * Math.log(100) * 0.025);
  });

  it('stands on measurements: every cost is a number above zero', () => {
    for (const [name, value] of Object.entries(costs.cpu)) expect([name, value > 0]).toEqual([name, true]);
    expect(WAIT_SECONDS).toBeLessThan(0.5);
    for (const page of [scalingPage(costs), scalingPage()])
      expect(page).not.toMatch(/NaN|Infinity|undefined/);
  });
});
