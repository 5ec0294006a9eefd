import type { Figure } from '../figure.ts';
import type { CallMix } from '../load/calls.ts';
import type { BenchScenario } from '../scenario.ts';

/** Aims for the 99th percentile added at 500 calls/s, in milliseconds. */
const AIM_P99_MS = { cached: 2, uncached: 3 } as const;
const PEER_P99_MS = { cached: 3.3, uncached: 2.3 } as const;

/** How much later an answer comes through the gateway than from the upstream, on schedule at 500 and 1,000 calls/s. */
export const addedLatency: BenchScenario = {
  name: 'added-latency',
  title: 'Latency added at a constant arrival rate',
  async run(stage, { quick }) {
    const [upstream] = await stage.upstreams(1);
    if (upstream === undefined) return [];
    const gateway = await stage.gateway([upstream]);
    const finalizedHeight = (await upstream.head()) - 200;
    const mixes: Record<'cached' | 'uncached', CallMix> = {
      cached: { kind: 'cached', keys: 100, finalizedHeight },
      uncached: { kind: 'unique', seed: 1 },
    };
    const figures: Figure[] = [];
    const shape = { connections: 64, warmupMs: quick ? 2_000 : 5_000, durationMs: quick ? 5_000 : 15_000 };
    let seed = 1;
    for (const rate of [500, 1_000]) {
      for (const kind of ['cached', 'uncached'] as const) {
        seed += 1;
        const fresh = (salt: number): CallMix =>
          kind === 'uncached' ? { kind: 'unique', seed: seed * 10 + salt } : mixes[kind];
        const direct = await stage.load({ ...shape, url: upstream.url, mix: fresh(1), ratePerSecond: rate });
        const through = await stage.load({ ...shape, url: gateway.url, mix: fresh(2), ratePerSecond: rate });
        const name = `${kind} at ${rate}/s`;
        figures.push(
          {
            name: `${name}: p50 added`,
            unit: 'ms',
            value: through.latency.p50 - direct.latency.p50,
            direct: direct.latency.p50,
          },
          {
            name: `${name}: p99 added`,
            unit: 'ms',
            value: through.latency.p99 - direct.latency.p99,
            direct: direct.latency.p99,
            ...(rate === 500 ? { aim: { max: AIM_P99_MS[kind] }, peer: PEER_P99_MS[kind] } : {}),
          },
          {
            name: `${name}: errors`,
            unit: 'count',
            value: through.failed,
            direct: direct.failed,
            aim: { max: 0 },
          },
        );
      }
    }
    return figures;
  },
};
