import type { Figure } from '../figure.ts';
import type { LoadSlice } from '../load/run-load.ts';
import { describeFailures } from '../load/run-load.ts';
import type { BenchScenario } from '../scenario.ts';
import { sleep } from '../stage.ts';

const RATE = 300;
const SLICE_MS = 250;
const worst = (slices: readonly LoadSlice[]): number => Math.max(0, ...slices.map(({ p99 }) => p99));
const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

/** Three providers: one fails 30 % of its calls all the time, another dies under load and comes back. */
export const providerDies: BenchScenario = {
  name: 'provider-dies',
  title: 'One of three providers dies, another fails 30 %',
  async run(stage, { quick }) {
    const figures: Figure[] = [];
    for (const death of ['connections reset', 'never answers', 'port closed'] as const) {
      const upstreams = await stage.upstreams(3, { faults: [{ type: 'latency', ms: 5, jitterMs: 2 }] });
      const [dying, flaky] = upstreams;
      if (dying === undefined || flaky === undefined) return [];
      const gateway = await stage.gateway(upstreams);
      await flaky.setFaults([
        { type: 'latency', ms: 5, jitterMs: 2 },
        { type: 'http-error', status: 503, probability: 0.3 },
      ]);
      const phaseMs = quick ? 3_000 : 6_000;
      // Learning the latencies and the flaky provider's failures is not part of the question.
      await stage.load({
        url: gateway.url,
        mix: { kind: 'unique', seed: 1 },
        ratePerSecond: RATE,
        connections: 128,
        durationMs: 3_000,
      });
      for (const upstream of upstreams) await upstream.resetStats();
      const running = stage.load({
        url: gateway.url,
        mix: { kind: 'unique', seed: 2 },
        ratePerSecond: RATE,
        connections: 256,
        durationMs: 3 * phaseMs,
        sliceMs: SLICE_MS,
      });
      await sleep(phaseMs + 400);
      const diedAt = Date.now();
      if (death === 'port closed') await dying.down();
      else await dying.setFaults([{ type: death === 'never answers' ? 'timeout' : 'reset' }]);
      await sleep(phaseMs);
      const silentSince = (await dying.stats()).lastCallAt ?? diedAt;
      // Once a second or less is probing, more is traffic.
      const trafficAfter = (await dying.stats()).perSecond.filter(
        ({ second, calls }) => second * 1_000 > diedAt + 1_000 && calls > 20,
      );
      if (death === 'port closed') await dying.up();
      else await dying.setFaults([{ type: 'latency', ms: 5, jitterMs: 2 }]);
      const result = await running;
      const at = diedAt - result.startedAt;
      const phase = (from: number, to: number): LoadSlice[] =>
        result.slices.filter((slice) => slice.at >= from && slice.at + SLICE_MS <= to);
      const before = phase(0, at);
      const dyingPhase = phase(at - SLICE_MS, at + 1_500);
      const dead = phase(at + 1_500, at + phaseMs);
      const calls = (await Promise.all(upstreams.map((each) => each.stats()))).reduce(
        (sum, stats) => sum + (stats.byMethod.eth_getBalance ?? 0),
        0,
      );
      figures.push(
        {
          name: `${death}: client errors`,
          unit: 'count',
          value: result.failed,
          aim: { max: 0 },
          note: describeFailures(result).join(', '),
        },
        { name: `${death}: p99 before`, unit: 'ms', value: median(before.map(({ p99 }) => p99)) },
        { name: `${death}: worst p99 of a quarter second while dying`, unit: 'ms', value: worst(dyingPhase) },
        {
          name: `${death}: p99 while dead`,
          unit: 'ms',
          value: median(dead.map(({ p99 }) => p99)),
          aim: { max: 25 },
        },
        { name: `${death}: p99 over all`, unit: 'ms', value: result.latency.p99, aim: { max: 25 } },
        {
          name: `${death}: seconds with traffic to the dead`,
          unit: 'count',
          value: death === 'port closed' ? 0 : trafficAfter.length,
          note:
            death === 'port closed'
              ? 'a closed port cannot count'
              : `last call ${Math.max(0, silentSince - diedAt)} ms after (probes count)`,
        },
        {
          name: `${death}: upstream calls per call`,
          unit: 'ratio',
          value: calls / Math.max(1, result.calls),
        },
      );
      await stage.stop();
    }
    return figures;
  },
};
