import { describeFailures } from '../load/run-load.ts';
import type { BenchScenario } from '../scenario.ts';

const RATE = 300;

/** Every provider answers in 15 ms, but one call in twenty takes two seconds. */
export const slowTail: BenchScenario = {
  name: 'slow-tail',
  title: '5 % of calls slow by 2 s on every provider',
  async run(stage, { quick }) {
    const upstreams = await stage.upstreams(3, {
      faults: [
        { type: 'latency', ms: 15, jitterMs: 3 },
        { type: 'latency', ms: 2_000, probability: 0.05, methods: ['eth_getBalance'] },
      ],
    });
    const gateway = await stage.gateway(upstreams);
    const shape = { connections: 256, ratePerSecond: RATE };
    await stage.load({
      ...shape,
      url: gateway.url,
      mix: { kind: 'unique', seed: 1 },
      durationMs: quick ? 4_000 : 8_000,
    });
    for (const upstream of upstreams) await upstream.resetStats();
    const direct = await stage.load({
      ...shape,
      url: upstreams[0]?.url ?? '',
      mix: { kind: 'unique', seed: 2 },
      durationMs: 5_000,
    });
    for (const upstream of upstreams) await upstream.resetStats();
    const result = await stage.load({
      ...shape,
      url: gateway.url,
      mix: { kind: 'unique', seed: 3 },
      durationMs: quick ? 8_000 : 25_000,
    });
    const stats = await Promise.all(upstreams.map((upstream) => upstream.stats()));
    const calls = stats.reduce((sum, { byMethod }) => sum + (byMethod.eth_getBalance ?? 0), 0);
    return [
      { name: 'p50', unit: 'ms', value: result.latency.p50, direct: direct.latency.p50 },
      {
        name: 'p99',
        unit: 'ms',
        value: result.latency.p99,
        direct: direct.latency.p99,
        aim: { max: 60 },
        peer: 118,
      },
      {
        name: 'p99.9',
        unit: 'ms',
        value: result.latency.p999,
        direct: direct.latency.p999,
        aim: { max: 500 },
        peer: 2_005,
      },
      {
        name: 'upstream calls per call',
        unit: 'ratio',
        value: calls / Math.max(1, result.calls),
        aim: { max: 1.06 },
      },
      {
        name: 'errors',
        unit: 'count',
        value: result.failed,
        aim: { max: 0 },
        note: describeFailures(result).join(', '),
      },
    ];
  },
};
