import type { Figure } from '../figure.ts';
import type { BenchScenario } from '../scenario.ts';

/** Calls a second that each of the three providers lets through. */
const LIMIT = 100;
const CAPACITY = LIMIT * 3;

/** Providers that allow so much and no more, offered less than they can and twice what they can. */
export const rateLimited: BenchScenario = {
  name: 'rate-limited',
  title: `Three providers limited to ${LIMIT} calls/s each`,
  async run(stage, { quick }) {
    const figures: Figure[] = [];
    for (const load of [0.8, 2] as const) {
      const upstreams = await stage.upstreams(3, {
        faults: [
          { type: 'latency', ms: 10, jitterMs: 2 },
          {
            type: 'rate-limit',
            callsPerSecond: LIMIT,
            burst: LIMIT / 5,
            retryAfter: 1,
            methods: ['eth_getBalance'],
          },
        ],
      });
      const gateway = await stage.gateway(upstreams);
      const rate = CAPACITY * load;
      const shape = { url: gateway.url, ratePerSecond: rate, connections: 512 };
      // The limits are learned in the warm-up.
      await stage.load({ ...shape, mix: { kind: 'unique', seed: 1 }, durationMs: quick ? 6_000 : 12_000 });
      for (const upstream of upstreams) await upstream.resetStats();
      const result = await stage.load({
        ...shape,
        mix: { kind: 'unique', seed: 2 },
        durationMs: quick ? 8_000 : 20_000,
      });
      const stats = await Promise.all(upstreams.map((upstream) => upstream.stats()));
      const attempts = stats.reduce((sum, { byMethod }) => sum + (byMethod.eth_getBalance ?? 0), 0);
      const goodput = (result.ok / result.durationMs) * 1_000;
      const possible = Math.min(rate, CAPACITY);
      const name = `offered ${Math.round(load * 100)} %`;
      figures.push(
        {
          name: `${name}: goodput of what is possible`,
          unit: '%',
          value: (goodput / possible) * 100,
          aim: { min: load < 1 ? 99.5 : 95 },
        },
        {
          name: `${name}: upstream calls per success`,
          unit: 'ratio',
          value: attempts / Math.max(1, result.ok),
          aim: { max: load < 1 ? 1.1 : 1.05 },
          peer: load < 1 ? 1.73 : 2.49,
        },
        { name: `${name}: p99 of successes`, unit: 'ms', value: result.latency.p99 },
      );
      if (load > 1)
        figures.push({
          name: `${name}: refused after (p50)`,
          unit: 'ms',
          value: result.failedLatency.p50,
          aim: { max: 10 },
          note: Object.entries(result.failures)
            .map(([kind, count]) => `${count} × ${kind}`)
            .join(', '),
        });
      else figures.push({ name: `${name}: errors`, unit: 'count', value: result.failed, aim: { max: 0 } });
      await stage.stop();
    }
    return figures;
  },
};
