import type { Figure } from '../figure.ts';
import { describeFailures } from '../load/run-load.ts';
import type { BenchScenario } from '../scenario.ts';
import { sleep } from '../stage.ts';

const RATE = 200;
const OUTAGE_MS = 3_000;
/** Settled: from here on a whole half second without a failure. */
const CALM_MS = 500;

/** Every provider goes away for three seconds. How soon after their return do callers get answers again? */
export const allDown: BenchScenario = {
  name: 'all-down',
  title: 'All providers down for 3 s and back',
  async run(stage) {
    const figures: Figure[] = [];
    for (const how of ['port closed', 'http 503'] as const) {
      const upstreams = await stage.upstreams(3, { faults: [{ type: 'latency', ms: 5 }] });
      const gateway = await stage.gateway(upstreams);
      const running = stage.load({
        url: gateway.url,
        mix: { kind: 'unique', seed: 9 },
        ratePerSecond: RATE,
        connections: 1_024,
        durationMs: 12_000,
        sliceMs: 100,
      });
      await sleep(3_500);
      await Promise.all(
        upstreams.map((upstream) =>
          how === 'port closed' ? upstream.down() : upstream.setFaults([{ type: 'http-error' }]),
        ),
      );
      await sleep(OUTAGE_MS);
      await Promise.all(
        upstreams.map((upstream) =>
          how === 'port closed' ? upstream.up() : upstream.setFaults([{ type: 'latency', ms: 5 }]),
        ),
      );
      const backAt = Date.now();
      const result = await running;
      const back = backAt - result.startedAt;
      const first = result.successTimes.filter((time) => time > back).sort((a, b) => a - b)[0];
      const calmFrom = result.slices.findIndex(
        (slice, index) =>
          slice.at >= back - 100 &&
          result.slices.slice(index, index + CALM_MS / 100).every(({ failed, ok }) => failed === 0 && ok > 0),
      );
      const after = result.slices.filter(({ at }) => at > back + 3_000);
      figures.push(
        {
          name: `${how}: first success after`,
          unit: 's',
          value: first === undefined ? 99 : (first - back) / 1_000,
          aim: { max: 0.3 },
        },
        {
          name: `${how}: settled after`,
          unit: 's',
          value: calmFrom < 0 ? 99 : Math.max(0, ((result.slices[calmFrom]?.at ?? 0) - back) / 1_000),
          aim: { max: 1 },
          peer: 9,
        },
        {
          name: `${how}: errors later than 3 s after`,
          unit: 'count',
          value: after.reduce((sum, { failed }) => sum + failed, 0),
          aim: { max: 0 },
        },
        {
          name: `${how}: calls failed during the outage`,
          unit: '%',
          value: (result.failed / (RATE * (OUTAGE_MS / 1_000))) * 100,
          note: describeFailures(result).join(', '),
        },
      );
      await stage.stop();
    }
    return figures;
  },
};
